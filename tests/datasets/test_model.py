"""A trained model in the catalog."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from kedro.io import DatasetError

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.model import ModelDataset
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.multimodal import MultimodalMixer

MakeArchitecture = Callable[..., Architecture]


def draw(architecture: Architecture) -> bytes:
    """The names of the modalities stand for the drawing."""
    return " ".join(architecture.inputs).encode()


def dataset(folder: Path) -> ModelDataset:
    return ModelDataset(filepath=str(folder / "model"), drawing=f"{__name__}.draw")


def test_a_loaded_model_computes_the_same_in_eval_mode(
    make_architecture: MakeArchitecture, make_table: Callable[..., MultimodalTable], tmp_path: Path
) -> None:
    model = MultimodalMixer(make_architecture(dropout=0.5))
    dataset(tmp_path).save(model.train())
    loaded = dataset(tmp_path).load()
    assert not loaded.training
    assert loaded.architecture == model.architecture
    batch = {name: torch.from_numpy(array) for name, array in make_table(rows=4).arrays.items()}
    with torch.no_grad():
        expected, actual = model.eval()(batch), loaded(batch)
    assert expected.keys() == actual.keys()
    for head, logits in expected.items():
        torch.testing.assert_close(actual[head], logits, rtol=0, atol=0)


def test_drawing_and_blocks_need_no_weights(make_architecture: MakeArchitecture, tmp_path: Path) -> None:
    dataset(tmp_path).save(MultimodalMixer(make_architecture(image="ramlp")))
    (tmp_path / "model/model.safetensors").unlink()
    assert base64.b64decode(dataset(tmp_path).preview()) == b"image series"
    assert any("ramlp" in reference for reference in dataset(tmp_path).blocks())
    with pytest.raises(DatasetError, match=r"model cannot be read"):
        dataset(tmp_path).load()
