"""The rows' part of an array beside the table or in it, and what is no such array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from custom_samples import named

from mixmas_pipeline.pipelines.data.custom.kinds.arrays import check_finite, read_array


@pytest.fixture
def rows() -> pd.DataFrame:
    """Three of the five rows of a file, not in their order."""
    return named(pd.DataFrame({"age": range(5)})).iloc[[4, 0, 2]]


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, bool])
def test_rows_are_taken_by_their_number_in_the_file(dtype: type, rows: pd.DataFrame, tmp_path: Path) -> None:
    values = np.arange(10).reshape(5, 2).astype(dtype)
    np.save(tmp_path / "v.npy", values)
    np.savez(tmp_path / "v.npz", other=values[::-1], v=values)
    for path, name in ((tmp_path / "v.npy", None), (tmp_path / "v.npz", "v")):
        array = read_array(path, name, rows, optional=False)
        assert array is not None
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, [values[4], values[0], values[2]])


def test_only_an_optional_array_may_be_absent(rows: pd.DataFrame, tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", a=np.zeros(5), b=np.zeros(5))
    assert read_array(tmp_path / "v.npz", "photo", rows, optional=True) is None
    with pytest.raises(ValueError, match=r"there is no array 'photo'; there are a, b"):
        read_array(tmp_path / "v.npz", "photo", rows, optional=False)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array(list("abcde")), r"v.npy has the type <U1; expected numbers"),
        (np.zeros((4, 2)), r"v.npy has 4 rows; the table has 5: expected one a row, in the same order"),
    ],
)
def test_arrays_that_are_not_the_tables(array: np.ndarray, message: str, rows: pd.DataFrame, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(ValueError, match=message):
        read_array(tmp_path / "v.npy", None, rows, optional=True)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_named_by_its_row_and_nan_is_not(value: float, rows: pd.DataFrame) -> None:
    values = np.full((3, 2, 2), np.nan)
    check_finite(rows, values, "v.npy")
    values[1, 0, 1] = value
    with pytest.raises(ValueError, match=r"row 0 \(id r0\), column v.npy: found infinity; expected finite numbers"):
        check_finite(rows, values, "v.npy")
