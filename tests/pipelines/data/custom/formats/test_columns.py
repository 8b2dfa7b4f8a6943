"""Columns of cells of any type keep what the cells say."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from mixmas_pipeline.pipelines.data.custom.cells import numbers, word, words
from mixmas_pipeline.pipelines.data.custom.formats.columns import as_column, as_text, as_texts


@pytest.mark.parametrize(
    ("cells", "dtype", "expected"),
    [
        ([1, None, 2**53 + 1], "Int64", [1, None, 2**53 + 1]),
        ([2**64 - 1, 0], "UInt64", [2**64 - 1, 0]),
        ([2**70, None, -1], "str", [str(2**70), None, "-1"]),
        ([1, 2.5, None], "float64", [1.0, 2.5, None]),
        ([2**53 + 1, 2.5], "str", ["9007199254740993", "2.5"]),
        ([True, None, False], "boolean", [True, None, False]),
        ([True, 1], "str", ["True", "1"]),
        ([1, "NA?", 2.0], "str", ["1", "NA?", "2"]),
        ([date(2024, 1, 5), None], "datetime64[us]", [datetime(2024, 1, 5), None]),
        (
            [datetime(2024, 1, 5, 13), date(9999, 1, 1)],
            "datetime64[us]",
            [datetime(2024, 1, 5, 13), datetime(9999, 1, 1)],
        ),
        ([datetime(2024, 1, 5, 13), "soon", date(2024, 1, 6)], "str", ["2024-01-05T13:00:00", "soon", "2024-01-06"]),
        ([time(13, 30), None], "str", ["13:30:00", None]),
        ([timedelta(days=1)], "str", ["1 day, 0:00:00"]),
        ([datetime(2024, 1, 5, tzinfo=UTC)], "str", ["2024-01-05T00:00:00+00:00"]),
        ([b"a", None], "object", [b"a", None]),
        ([[1.0], None, [1.0, 2.0]], "object", [[1.0], None, [1.0, 2.0]]),
        ([None, None], "object", [None, None]),
    ],
)
def test_types(cells: list[Any], dtype: str, expected: list[Any], tmp_path: Path) -> None:
    found = as_texts(as_column(cells).to_frame("a"))["a"]
    assert found.dtype == dtype
    assert [None if not isinstance(cell, list) and pd.isna(cell) else cell for cell in found] == expected
    found.to_frame("a").to_parquet(tmp_path / "a.parquet")  # as the catalog keeps it


@pytest.mark.parametrize("cells", [[1.234, "1.234,5", None], [2**53 + 1, 2.5], [1, True]])
def test_beside_others_numbers_stay_numbers(cells: list[Any]) -> None:
    found = as_column(cells)
    assert found.dtype == object
    assert found.tolist() == [cell if cell is not True else "True" for cell in cells]


CELLS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)


@examples(200)
@given(cells=st.lists(CELLS | st.text(st.characters(codec="ascii", categories=["L"]), min_size=1), min_size=1))
def test_names_are_the_same_whatever_the_other_cells_are(cells: list[Any]) -> None:
    expected = [None if cell is None else word(as_text(cell)) for cell in cells]
    column = as_texts(as_column(cells).to_frame("a"))["a"]
    if column.dtype == "float64" and (np.abs(column.dropna()) >= 2**53).any():
        return  # words refuses them
    assert words(named(pd.DataFrame({"a": column})), "a") == expected


@examples(100)
@given(cells=st.lists(st.none() | st.integers(-(10**20), 10**20) | st.floats(-1e20, 1e20), min_size=1))
def test_numbers_are_the_same_too(cells: list[Any]) -> None:
    found = numbers(named(as_texts(as_column(cells).to_frame("a"))), "a")
    np.testing.assert_array_equal(found, [np.nan if cell is None else float(cell) for cell in cells])
