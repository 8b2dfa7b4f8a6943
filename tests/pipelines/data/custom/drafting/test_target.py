"""The task follows from the label's column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from draft_samples import animals, named_rows

from mixmas_pipeline.pipelines.data.custom.drafting.messages import DraftError
from mixmas_pipeline.pipelines.data.custom.drafting.target import Target, find_target

ROWS = 120


def target(cells: Any) -> Target:
    return find_target(named_rows(animals(ROWS, outcome=cells)), ("outcome",))


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["no", "yes"] * 60, "binary"),
        (["a", "b", "c"] * 40, "multiclass"),
        ([0, 1] * 60, "binary"),
        ([True, False] * 60, "binary"),
        (["0.5", "1.5"] * 60, "binary"),
        ([i % 10 for i in range(ROWS)], "multiclass"),
        ([i % 13 for i in range(ROWS)], "regression"),  # fewer than ten rows per value
        ([i % 21 for i in range(ROWS)], "regression"),
        ([0.5 + i % 5 for i in range(ROWS)], "regression"),
        (np.linspace(0, 1, ROWS), "regression"),
        (["a|b", "a", "b|c", "c"] * 30, "multilabel"),
        (["a|b", "a", "", "b"] * 30, "multilabel"),
    ],
)
def test_task(cells: Any, task: str) -> None:
    cells = [None if cell == "" else cell for cell in cells]
    assert target(cells).task == task


def test_twenty_classes_of_whole_numbers_need_ten_rows_each() -> None:
    rows = named_rows(animals(200, outcome=[i % 20 for i in range(200)]))
    assert find_target(rows, ("outcome",)).task == "multiclass"
    assert find_target(rows.iloc[:-1], ("outcome",)).task == "regression"


@pytest.mark.parametrize(
    ("cells", "positive"),
    [(["no", "yes", "yes"] * 40, "yes"), (["b", "a", "a"] * 40, "b"), ([0, 1, 1] * 40, "1"), (["x", "y"] * 60, "y")],
)
def test_positive_class_is_that_of_a_run(cells: Any, positive: str) -> None:
    assert target(cells).keys["positive"] == positive


@pytest.mark.parametrize("separator", ["|", ";", ",", "/"])
def test_separator_of_labels(separator: str) -> None:
    parts = [["a", "b"], ["a"], ["b", "c"], ["a", "c"], ["a", "b", "c"], ["c"], ["b"]]
    cells = [separator.join(parts[i % 7]) for i in range(ROWS)]
    assert target(cells).keys == {"label": "outcome", "task": "multilabel", "labels_separator": separator}


def test_a_comma_in_names_is_no_separator() -> None:
    cells = ["Washington, DC", "Portland, OR", "Salem, OR", "Boise, ID"] * 30
    assert target(cells).task == "multiclass"


def test_several_columns() -> None:
    rows = named_rows(animals(a=[0, 1] * 60, b=["yes", "no"] * 60, x=np.linspace(0, 1, 120), y=np.linspace(2, 9, 120)))
    assert find_target(rows, ("a", "b")).task == "multilabel"
    assert find_target(rows, ("x", "y")).task == "regression"
    with pytest.raises(DraftError, match="'breed' has names, such as"):
        find_target(rows, ("x", "breed"))
    with pytest.raises(DraftError, match="expected each column once"):
        find_target(rows, ("x", "x"))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["yes"] * ROWS, "the label 'outcome' is 'yes' in all 120 rows; expected two values or more"),
        ([None] * ROWS, "is empty in all 120 rows"),
        (["NA", *map(str, range(119))], "is missing in 1 of 120 rows, for example row 0"),
        ([None, "a", "b"] * 40, "is missing in 40 of 120 rows, for example row 0; remove these rows"),
        ([f"n{i}" for i in range(ROWS)], "has 120 different values in 120 rows, such as 'n0'; expected classes"),
        ([f"the animal of row number {i}" for i in range(ROWS)], "has 120 different texts"),
        ([f"2024-01-{1 + i % 28:02d}" for i in range(ROWS)], "has dates, such as '2024-01-01'; expected classes or"),
        ([f"${i}" for i in range(ROWS)], "the label 'outcome': amounts of money such as $0; take the currency signs"),
    ],
)
def test_what_is_no_label(cells: Any, message: str) -> None:
    with pytest.raises(DraftError, match=message.replace("$", r"\$")):
        target(cells)


def test_an_unknown_label_has_a_close_match() -> None:
    with pytest.raises(ValueError, match="there is no column 'outcom', which is named by --label; did you mean 'outco"):
        find_target(named_rows(animals()), ("outcom",))


def test_rare_classes_and_words_for_missing_values_are_warned_of() -> None:
    rare, unknown = target(["a", "b"] * 58 + ["c", "NA", "NA", "NA"]).warnings
    assert "too rare to be in each split: c (1), NA (3). Merge them" in rare
    assert "3 rows have the label NA, which is taken for a class" in unknown
    assert target(["a", "b"] * 60).warnings == ()
