"""Numbers and words of cells; columns by name and pattern."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named

from mixmas_pipeline.pipelines.data.custom import cells


@pytest.mark.parametrize(
    ("dates", "what"),
    [
        (pd.to_datetime(["2024-01-01", None]), "a date"),
        ([date(2024, 1, 1), None], "a date"),
        (pd.to_timedelta(["1 day", None]), "a length of time"),
    ],
)
def test_dates_are_no_numbers(dates: Any, what: str) -> None:
    with pytest.raises(ValueError, match=rf"row 0 \(id r0\), column born: found '.*', {what}; expected a number"):
        cells.numbers(named(pd.DataFrame({"born": dates})), "born")


def test_what_a_file_stores_as_dates() -> None:
    moments = pd.to_datetime(pd.Series(["2024-01-01", None]))
    for dates in (moments, moments.dt.tz_localize("UTC"), moments.astype(object), pd.Series([None, date(2024, 1, 1)])):
        assert cells.stores_dates(dates)
    for others in (["2024-01-01"], [20240101], [None, None], [b"x"], [[1.0], None], [True, None]):
        assert not cells.stores_dates(pd.Series(others))


@pytest.mark.parametrize(
    ("cell", "text"),
    [("1.0", "1"), ("-3.00", "-3"), (2.0, "2"), (b"B", "B"), ("1.05", "1.05"), ("v1.0", "v1.0"), ("007", "007")],
)
def test_whole_numbers_are_written_without_a_point(cell: Any, text: str) -> None:
    assert cells.word(cell) == text


def test_columns_are_chosen_by_name_and_pattern_and_never_those_of_the_file() -> None:
    rows = named(pd.DataFrame({"hr_1": [1], "hr_0": [2], "h*": [3], "age": [4]}))
    assert cells.choose(rows, ["age", "hr_*"]) == ["age", "hr_1", "hr_0"]
    assert cells.choose(rows, ["h*"]) == ["h*"], "a name goes before a pattern"
    assert cells.choose(rows, ["*"]) == ["hr_1", "hr_0", "h*", "age"]


def test_a_column_that_is_not_there_is_named_with_what_it_was_for() -> None:
    rows = named(pd.DataFrame({f"c{i}": [0] for i in range(23)}))
    cells.check_column(rows, "c7", "the label")
    with pytest.raises(ValueError, match=r"there is no column 'outcome', which is the label; .*'c19' and 3 more$"):
        cells.check_column(rows, "outcome", "the label")


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("0,64", "with a decimal point, such as 0.64; or write decimal: ',' beside file"),
        ("1,500", "such as 1500; write thousands: ',' beside file"),
        ("-1,234,567.5", "such as -1234567.5; write thousands: ','"),
        ("15 %", "without a percent sign; list the column under percent"),
        ("2024-01-05", "it looks like a date: list the column under dates"),
        ("5.1.2024", "it looks like a date: list the column under dates"),
        ("01/05/2024 12:00", "it looks like a date: list the column under dates"),
    ],
)
def test_a_cell_that_people_read_as_a_number_or_a_date_gets_another_hint(cell: str, hint: str) -> None:
    with pytest.raises(
        ValueError, match=f"found '{re.escape(cell)}'; expected a number;? ?.*{re.escape(hint)}"
    ) as error:
        cells.numbers(named(pd.DataFrame({"age": ["1.5", cell]})), "age", "; list it under categories")
    assert "categories" not in str(error.value)


@pytest.mark.parametrize("cell", ["inf", "-1e300", "1e31"])
def test_a_number_that_cannot_be_stored_is_named(cell: str) -> None:
    with pytest.raises(ValueError, match=rf"row 1 .*found '{cell}'; expected a number of at most 1e\+30; if it stands"):
        cells.numbers(named(pd.DataFrame({"age": ["1.5", cell]})), "age", "; list it under categories")


@pytest.mark.parametrize("dtype", ["object", "str"])
def test_true_and_false_are_one_and_zero(dtype: Any) -> None:
    column = pd.Series(["True", None, "FALSE", " true"], dtype=dtype)
    np.testing.assert_array_equal(cells.numbers(named(pd.DataFrame({"a": column})), "a"), [1, np.nan, 0, 1])
    with pytest.raises(ValueError, match="found 'True'; expected a number"):
        cells.numbers(named(pd.DataFrame({"a": ["1", "True"]})), "a")


@pytest.mark.parametrize(("dtype", "number"), [("float64", 2.0**53 + 2), ("float32", 2.0**24 + 2)])
def test_whole_numbers_that_may_have_lost_digits_are_no_words(dtype: Any, number: float) -> None:
    rows = named(pd.DataFrame({"id": pd.Series([1.0, number, None]).astype(dtype)}))
    with pytest.raises(ValueError, match=rf"row 1 \(id r1\), column id: found \d+, stored as {dtype}.*as text"):
        cells.words(rows, "id")
    rows.loc[1, "id"] = np.inf
    with pytest.raises(ValueError, match="found inf; expected a name or a whole number"):
        cells.words(rows, "id")
    assert cells.words(rows.iloc[[0, 2]], "id") == ["1", None]
    nullable = named(pd.DataFrame({"id": pd.array([1.0, number, None], dtype=dtype.capitalize())}))
    with pytest.raises(ValueError, match=rf"row 1 \(id r1\), column id: found \d+, stored as {dtype}"):
        cells.words(nullable, "id")


@pytest.mark.parametrize(
    ("a", "b"),
    [("A.PNG", "a.png"), ("a\\b", "a/b"), ("cafe\u0301", "caf\u00e9"), ("007", "7"), ("07/010-x", "7/10-x")],
)
def test_spellings_that_are_the_same(a: str, b: str) -> None:
    assert cells.plain(a) == cells.plain(b)
    assert cells.plain("10") != cells.plain("1")
    assert cells.plain("x_0.05") != cells.plain("x_0.5")
    assert cells.plain("a0012f") != cells.plain("a12f")
    assert cells.plain("0") != cells.plain("")


@pytest.mark.parametrize("cell", ["seven", "12-34"])
def test_a_cell_without_a_number_is_named(cell: str) -> None:
    rows = named(pd.DataFrame({"age": ["1.5", None, cell]}))
    assert cells.numbers(rows.iloc[:2], "age").tolist() == pytest.approx([1.5, float("nan")], nan_ok=True)
    with pytest.raises(ValueError, match=rf"row 2 \(id r2\), column age: found '{cell}'; expected a number, in years"):
        cells.numbers(rows, "age", ", in years")
