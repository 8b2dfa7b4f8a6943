"""Numbers and words of cells; columns by name and pattern."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from custom_samples import named

from mixmas_pipeline.pipelines.data.custom import cells


@pytest.mark.parametrize("dates", [pd.to_datetime(["2024-01-01", None]), pd.to_timedelta(["1 day", None])])
def test_dates_are_no_numbers(dates: Any) -> None:
    with pytest.raises(ValueError, match=r"row 0 \(id r0\), column born: found '.*', a date; expected a number"):
        cells.numbers(named(pd.DataFrame({"born": dates})), "born")


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


@pytest.mark.parametrize("cell", ["seven", "inf", "1,500"])
def test_a_cell_without_a_number_is_named(cell: str) -> None:
    rows = named(pd.DataFrame({"age": ["1.5", None, cell]}))
    assert cells.numbers(rows.iloc[:2], "age").tolist() == pytest.approx([1.5, float("nan")], nan_ok=True)
    with pytest.raises(ValueError, match=rf"row 2 \(id r2\), column age: found '{cell}'; expected a number, in years"):
        cells.numbers(rows, "age", ", in years")
