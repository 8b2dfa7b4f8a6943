"""The worked examples of docs/extending.md are executed as they are written."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
import torch
from project_runs import ROOT
from pydantic import TypeAdapter

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.block_reader import Block
from mixmas_pipeline.models.blocks import BLOCKS

PYTHON = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), flags=re.DOTALL)


def execute(text: str, name: str) -> ModuleType:
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, name, "exec"), vars(module))
    return module


def test_a_block_of_one_file_and_one_line_is_built_from_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "mixmas_pipeline.models.blocks.mean_mixer"
    monkeypatch.setitem(sys.modules, module, execute(PYTHON[0], module))
    monkeypatch.setitem(BLOCKS, "mean_mixer", f"{module}:MeanMixerParameters")
    parameters = TypeAdapter(Block).validate_python({"block": "mean_mixer"})
    torch.manual_seed(0)
    block = parameters.build(6, (5,))
    x = torch.randn(2, 5, 6)
    with torch.no_grad():
        normed = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        expected = x + normed.mean(1, keepdim=True) @ block.mixing.weight.T + block.mixing.bias
        torch.testing.assert_close(block(x), expected)


def test_the_table_is_one() -> None:
    table = execute(PYTHON[1], "own_table").table
    assert isinstance(table, MultimodalTable)
    assert len(table) == 20
    table.check()
