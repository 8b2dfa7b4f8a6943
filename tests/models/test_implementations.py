"""Documents name blocks, and these stand for code."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.utils import load_obj

from mixmas_pipeline.datasets.model import ModelDataset
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.blocks import BLOCKS
from mixmas_pipeline.models.implementations import implementations
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.training.identity import training_code

DRAWING = "mixmas_pipeline.plots.architecture.draw_document"
HYPER = "mixmas_pipeline.models.blocks.hyper_mixer:HyperMixerParameters"
MLP = "mixmas_pipeline.models.blocks.mlp_mixer:MLPMixerParameters"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"block": "mlp_mixer"}, [MLP]),
        ({"a": [{"b": {"block": {"block": "mlp_mixer"}}}, {"block": "hyper_mixer"}]}, [HYPER, MLP]),
        ([{"block": "mlp_mixer"}, {"block": "mlp_mixer"}], [MLP]),
        ({"block": "unknown", "name": "ramlp", "blocks": 4}, []),
        ([], []),
        (None, []),
    ],
)
def test_blocks_are_found_under_their_key_at_any_depth(document: Any, expected: list[str]) -> None:
    assert implementations(document) == expected


def test_every_implementation_is_a_class() -> None:
    assert len(BLOCKS) > 3
    for reference in BLOCKS.values():
        assert isinstance(load_obj(reference.replace(":", ".")), type)


def test_a_model_names_its_blocks(make_architecture: Callable[..., Architecture], tmp_path: Path) -> None:
    model = ModelDataset(filepath=str(tmp_path / "model"), drawing=DRAWING)
    model.save(MultimodalMixer(make_architecture(image="hyper_mixer")))
    assert model.blocks() == [HYPER, MLP]
    assert base64.b64decode(model.preview()).startswith(b"\x89PNG")


def test_checkpoints_depend_on_the_code_of_their_own_blocks(make_architecture: Callable[..., Architecture]) -> None:
    def code(**changes: Any) -> str:
        return training_code(make_architecture(**changes).model_dump(mode="json"))

    assert code() == code(function="max")
    assert len({code(), code(image="ramlp"), code(image="hyper_mixer")}) == 3
