"""One array in the catalog: a plain .npy file, mapped when it is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from mixmas_pipeline.datasets.array import ArrayDataset


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float16).reshape(2, 3, 4).transpose(2, 0, 1),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.arange(20)[::-2],
        np.array([[True], [False]]),
        np.arange(3, dtype=">i4"),
        np.array(["a", "bc"]),
    ],
    ids=["axes swapped", "columns first", "backwards", "truth values", "other byte order", "texts"],
)
def test_numpy_reads_the_values_in_their_type(array: np.ndarray, tmp_path: Path) -> None:
    ArrayDataset(filepath=str(tmp_path / "a.npy")).save(array)
    loaded = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)


def test_it_loads_mapped_and_read_only(tmp_path: Path) -> None:
    dataset = ArrayDataset(filepath=str(tmp_path / "a.npy"))
    dataset.save(np.arange(6).reshape(2, 3))
    loaded = dataset.load()
    assert isinstance(loaded, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded[0, 0] = 1


def test_python_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"a\.npy cannot be read \(ValueError\).*Python objects"):
        ArrayDataset(filepath=str(tmp_path / "a.npy")).load()


def test_python_objects_are_not_saved(tmp_path: Path) -> None:
    """Their bytes are addresses in the memory of this process."""
    with pytest.raises(DatasetError, match=r"a\.npy"):
        ArrayDataset(filepath=str(tmp_path / "a.npy")).save(np.array([{}, []], dtype=object))
    assert not (tmp_path / "a.npy").exists()
