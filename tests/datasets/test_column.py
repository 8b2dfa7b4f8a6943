"""One prepared modality in the catalog."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError
from PIL import Image

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.datasets.column import ColumnDataset


def column(present: list[bool]) -> Column:
    """Rows of 4 x 6 grey levels; row n is n everywhere."""
    array = np.repeat(np.arange(len(present), dtype=np.uint8), 24).reshape(-1, 4, 6)
    modality = Modality("image", (4, 6), "uint8", 1 / 255, -0.5, "grey level", padded=True, optional=True)
    return Column(array, np.array(present), modality)


def test_round_trip(tmp_path: Path) -> None:
    dataset, saved = ColumnDataset(filepath=str(tmp_path / "photo")), column([True, False, True])
    dataset.save(saved)
    loaded = dataset.load()
    assert loaded.modality == saved.modality
    np.testing.assert_array_equal(loaded.array, saved.array)
    np.testing.assert_array_equal(loaded.present, saved.present)
    assert (loaded.array.dtype, loaded.present.dtype) == (np.uint8, bool)
    with pytest.raises(ValueError, match="read-only"):
        loaded.array[0] = 1


def test_the_parts_can_be_read_without_us(tmp_path: Path) -> None:
    ColumnDataset(filepath=str(tmp_path / "photo")).save(column([True, True]))
    assert sorted(file.name for file in (tmp_path / "photo").iterdir()) == ["array.npy", "modality.json", "present.npy"]
    assert np.load(tmp_path / "photo/array.npy").shape == (2, 4, 6)
    assert json.loads((tmp_path / "photo/modality.json").read_text())["shape"] == [4, 6]


def test_the_preview_has_only_rows_that_have_the_modality(tmp_path: Path) -> None:
    sizes = {}
    for name, present in (("all", [True] * 3), ("one", [False, False, True])):
        dataset = ColumnDataset(filepath=str(tmp_path / name))
        dataset.save(column(present))
        sizes[name] = Image.open(io.BytesIO(base64.b64decode(dataset.preview(), validate=True))).width
    assert sizes["all"] > 2 * sizes["one"]


@pytest.mark.parametrize("part", ["array.npy", "modality.json", "present.npy"])
def test_a_missing_part_is_named(part: str, tmp_path: Path) -> None:
    dataset = ColumnDataset(filepath=str(tmp_path / "photo"))
    dataset.save(column([True]))
    (tmp_path / "photo" / part).unlink()
    with pytest.raises(DatasetError, match=rf"photo cannot be read \(FileNotFoundError\).*{part}"):
        dataset.load()
