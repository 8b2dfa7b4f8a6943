"""What a column has, from its cells."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixmas_pipeline.pipelines.data.custom.cells import words
from mixmas_pipeline.pipelines.data.custom.drafting.columns import Kind, are_names, as_words, date_form, examine

DESCRIPTIONS = [f"a {c} animal with {n} legs" for c in ("red", "blue", "green") for n in range(20)]


def column(cells: Any, dtype: Any = None) -> pd.Series:
    return pd.Series(cells, name="c", dtype=dtype)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([None, None], Kind.EMPTY),
        (["1", "2.5", None, "-3e4"], Kind.NUMBERS),
        ([1.5, np.nan], Kind.NUMBERS),
        (["True", "false", None], Kind.BOOLEANS),
        ([True, False], Kind.BOOLEANS),
        ([True, None, False], Kind.BOOLEANS),
        ([Decimal("1.5"), None], Kind.NUMBERS),
        (pd.array([1, None, 3], dtype="Int64"), Kind.NUMBERS),
        ([b"cat", b"dog"] * 10, Kind.NAMES),
        (["a", 1] * 10, Kind.NAMES),
        (["cat", "dog"] * 10, Kind.NAMES),
        (["007", "012", "113"], Kind.NAMES),  # codes: the zeros belong to them
        (DESCRIPTIONS, Kind.TEXTS),
        (["no edema", "edema despite diuretics", "edema without diuretics"] * 20, Kind.NAMES),
        ([f"the north of town {n}" for n in range(60)] * 20, Kind.NAMES),
        ([f"the north of town {n}" for n in range(60)] * 19, Kind.TEXTS),
        (["这只狗今天早上吃了很多东西", "那只猫昨天晚上没有回家吃饭吗"], Kind.TEXTS),
        (["2024-01-02", "2024-11-30"], Kind.DATES),
        (["2024-01-02T10:00:00", "2024-11-30T23:59:59"], Kind.DATES),
        (["3 Jan 2024", "12 Feb 2023"], Kind.DATES),
        ([date(2024, 1, 2), None], Kind.DATES),
        (pd.to_datetime(["2024-01-02", None]), Kind.DATES),
        ([[1.0, 2.0], None, [3.0, 4.0]], Kind.LISTS),
        ([np.array([1, 2]), np.array([3, 4])], Kind.LISTS),
    ],
)
def test_kinds(cells: Any, kind: Kind) -> None:
    assert examine(column(cells)).kind == kind


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (["2024-01-02", "3/4/2024", "2024-05-06"], "dates in 2 forms (2024-01-02, 3/4/2024)"),
        ([[1.0, 2.0], [3.0, 4.0], [5.0]], "lists of unequal length: most have 2 values, row 2 has 1 values"),
        ([["a"], ["b"]], "lists of something else than numbers"),
        (["[1, 2]", "[3, 4]"], "lists written as text"),
        ([f"${n},000.50" for n in range(1, 9)], "amounts of money such as $1,000.50; take the currency signs"),
        ([f"{n} €" for n in range(1, 9)], "amounts of money"),
        ([f"{n}%" for n in range(1, 9)], "numbers with a percent sign"),
        (
            [f"{n},500" for n in range(1, 9)],
            "numbers with commas between thousands such as 1,500; write thousands: ',' beside file, or decimal: ','",
        ),
        (
            [f"{n},5" for n in range(1, 9)],
            "numbers with a decimal comma such as 1,5; write decimal points, or decimal: ',' beside file if all",
        ),
        ([f"{n}000,500" for n in range(1, 9)], "numbers with a decimal comma such as 1000,500"),
        ([f"https://a.org/{n}" for n in range(9)], "web addresses"),
        (["10:30", "23:59", "7:15"], "times such as 10:30"),
        ([*map(str, range(30)), "old"], "numbers, but row 30 has 'old' (such rows: 1)"),
        (["1", "2e31"], "row 1 has 2e31; expected numbers of at most 1e+30"),
        (pd.to_timedelta(["1 day", "2 days"]), "values of the type timedelta64, such as 1 days 00:00:00"),
        ([time(10, 30), time(11)], "values of the type time, such as 10:30:00"),
        ([{"a": 1}, {"a": 2}], "records; put their values"),
    ],
)
def test_what_no_modality_can_be_made_of_is_said(cells: Any, problem: str) -> None:
    facts = examine(column(cells))
    assert facts.kind == Kind.OTHER
    assert problem in facts.problem


def test_facts_of_numbers() -> None:
    facts = examine(column(["3", "3.0", None, "4"]))
    assert (facts.filled, facts.distinct, facts.whole, facts.example) == (3, 2, True, "3")
    assert not examine(column(["3.5", "4"])).whole


def test_lists_of_lists_are_deeper() -> None:
    assert examine(column([[1.0, 2.0]])).depth == 1
    assert examine(column([[[1.0], [2.0]], [[3.0], [4.0]]])).depth == 2


@pytest.mark.parametrize("dtype", ["str", object])
def test_words_are_those_of_a_run(dtype: Any) -> None:
    cells = column([" 3.0", "x ", None, "-2.00", "1.50"], dtype)
    expected = [word for word in words(cells.to_frame(), "c") if word is not None]
    assert as_words(cells).tolist() == expected == ["3", "x", "-2", "1.50"]


def test_few_names_are_categories_and_many_are_not() -> None:
    assert are_names(examine(column(["a", "b", "c"] * 10)))
    assert are_names(examine(column([f"n{i % 50}" for i in range(500)])))
    assert not are_names(examine(column([f"n{i}" for i in range(100)])))
    assert not are_names(examine(column(["1", "2"])))


def test_names_of_two_words_are_texts_where_words_recur() -> None:
    recurring = [f"{colour} {animal}" for colour in ("red", "blue", "grey", "pink") for animal in ("cat", "dog", "cow")]
    single = [f"first{i} last{i}" for i in range(12)]
    assert examine(column(recurring)).kind == Kind.TEXTS
    assert examine(column(single)).kind == Kind.NAMES


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2024-01-02", "1999-12-31", True),
        ("2024-01-02", "2024-01-02 10:00", True),
        ("2024-01-02", "2024/01/02", False),
        ("01-02-2024", "2024-01-02", False),
        ("1.2.2024", "31.12.1999", True),
        ("3 Jan 2024", "12 February 2023", True),
    ],
)
def test_forms_of_dates(one: str, other: str, same: bool) -> None:
    assert (date_form(one) == date_form(other)) is same


@pytest.mark.parametrize("first", [10**17, 10**25])
@pytest.mark.parametrize("dtype", ["str", object])
def test_large_whole_numbers_stay_apart(first: int, dtype: str) -> None:
    """Floats have no more than 16 digits."""
    cells = [first + i // 3 for i in range(90)]
    facts = examine(column([str(cell) for cell in cells] if dtype == "str" else cells, dtype))
    assert (facts.kind, facts.distinct, facts.whole) == (Kind.NUMBERS, 30, True)
    assert examine(column(pd.array([10**17, 10**17 + 1, None], dtype="Int64"))).distinct == 2
    assert examine(column(["3", "3.0", "100000000000000001", "100000000000000002"])).distinct == 3
