"""The worked examples of docs/extending.md are executed as they are written."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
import torch
from project_runs import ROOT

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.encoder import build_block

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), flags=re.DOTALL)


def execute(text: str, name: str) -> ModuleType:
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, name, "exec"), vars(module))
    return module


def test_the_block_is_found_by_its_parameters_and_mixes_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "mixmas_pipeline.models.mean_mixer"
    monkeypatch.setitem(sys.modules, module, execute(BLOCKS[0], module))
    parameters = execute(BLOCKS[1], "mean_mixer_parameters").MeanMixerParameters()
    torch.manual_seed(0)
    block = build_block(parameters, 6, (5,))
    x = torch.randn(2, 5, 6)
    with torch.no_grad():
        normed = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        expected = x + normed.mean(1, keepdim=True) @ block.mixing.weight.T + block.mixing.bias
        torch.testing.assert_close(block(x), expected)


def test_the_table_is_one() -> None:
    table = execute(BLOCKS[2], "own_table").table
    assert isinstance(table, MultimodalTable)
    assert len(table) == 20
    table.check()
