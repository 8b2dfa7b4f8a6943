"""Arrays by name in the catalog, as a safetensors file."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from mixmas_pipeline.datasets.arrays import ArraysDataset


def test_the_file_has_the_layout_of_safetensors(tmp_path: Path) -> None:
    """Length of the header, header in JSON, bytes: of a transposed array too, rows first."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    ArraysDataset(filepath=str(tmp_path / "a")).save({"t": array})
    content = (tmp_path / "a").read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    assert (header["t"]["dtype"], header["t"]["shape"]) == ("F32", [3, 2])
    start, end = header["t"]["data_offsets"]
    assert struct.unpack("<6f", content[8 + length :][start:end]) == (0, 3, 1, 4, 2, 5)


@pytest.mark.parametrize("array", [np.zeros((0, 4), np.int16), np.arange(3, dtype=">i4"), np.array(2.5)])
def test_unusual_arrays_come_back(array: np.ndarray, tmp_path: Path) -> None:
    dataset = ArraysDataset(filepath=str(tmp_path / "a"))
    dataset.save({"x": array})
    loaded = dataset.load()["x"]
    assert (loaded.shape, loaded.dtype) == (array.shape, array.dtype.newbyteorder("="))
    np.testing.assert_array_equal(loaded, array)


def test_what_the_format_cannot_hold_is_refused_with_the_path(tmp_path: Path) -> None:
    dataset = ArraysDataset(filepath=str(tmp_path / "a"))
    with pytest.raises(DatasetError, match=str(tmp_path / "a")):
        dataset.save({"names": np.array(["a", "b"])})
    assert not dataset.exists()
