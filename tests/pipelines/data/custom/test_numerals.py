"""Numbers with other marks, against Python's own numbers written with these marks."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from custom_samples import named
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from mixmas_pipeline.pipelines.data.custom.cells import CellError
from mixmas_pipeline.pipelines.data.custom.modalities import FileFormParameters
from mixmas_pipeline.pipelines.data.custom.numerals import is_plain, plain_numbers


def plain(*cells: Any, percent: bool = False, **form: Any) -> list[Any]:
    rows = named(pd.DataFrame({"a": pd.Series(list(cells))}))
    return plain_numbers(rows, "a", FileFormParameters(**form), percent=percent).tolist()


@examples(200)
@given(
    number=st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12),
    marks=st.sampled_from([(",", "."), (".", ","), (",", " "), (".", "'"), (",", None), (".", "_")]),
    percent=st.booleans(),
)
def test_every_number_comes_through(number: Decimal, marks: tuple[Any, Any], percent: bool) -> None:
    decimal, thousands = marks
    text = f"{number:,}".replace(",", "T").replace(".", decimal).replace("T", thousands or "")
    (found,) = plain(text + (" %" if percent else ""), decimal=decimal, thousands=thousands, percent=percent)
    assert Decimal(found) == (number / 100 if percent else number)


def test_digits_and_other_cells_stay() -> None:
    german = {"decimal": ",", "thousands": "."}
    found = plain("007", " ,5 ", "1.234,50", "\u22123", "True", "1,5e-3", None, **german)
    assert found[:6] == ["007", ".5", "1234.50", "-3", "True", "1.5e-3"]
    assert pd.isna(found[6])
    assert plain("1\u202f234", "1\u00a0234", "1 234 567", thousands=" ") == ["1234", "1234", "1234567"]
    assert plain("1\u2019234", "1'234", thousands="'") == ["1234", "1234"]
    assert plain(1.5, 2, **german) == [1.5, 2], "they are stored as numbers"


@pytest.mark.parametrize("cell", ["1.5", "1.23,4", "12.34.567", "1,2,3", "1 234", "x", "5 %", "1.2345", "nan", "1_000"])
def test_what_is_written_otherwise_is_refused(cell: str) -> None:
    found = f"row 1 (id r1), column a: found {cell!r}; expected a number such as "
    with pytest.raises(CellError, match=re.escape(found + "'1.234,5' (decimal: ',', thousands: '.')")):
        plain("1", cell, decimal=",", thousands=".")


@pytest.mark.parametrize("cell", ["1\u0662,5", "1,\u0665", "1.\u0662\u0663\u0664", "1,5e\u0663", "\u0967"])
def test_digits_of_other_scripts_are_refused(cell: str) -> None:
    with pytest.raises(CellError, match="expected a number such as"):
        plain(cell, decimal=",", thousands=".")
    with pytest.raises(CellError, match="expected a number such as"):
        plain(f"{cell} %", decimal=",", thousands=".", percent=True)


def test_a_percent_sign_is_there_everywhere_or_nowhere() -> None:
    assert plain("12 %", "-0.5%", "1e2 %", 0.25, percent=True) == ["0.12", "-0.005", "1", 0.25]
    with pytest.raises(CellError, match=r"found '12'; expected a number such as '1234.5 %'"):
        plain("12 %", "12", percent=True)


@pytest.mark.parametrize("power", ["9999999", "-" + "9" * 30, "9" * 30])
def test_powers_beyond_all_numbers_are_refused_too(power: str) -> None:
    with pytest.raises(CellError, match=r"row 0 \(id r0\), column a: found '1e-?9+ %'; expected a number such as"):
        plain(f"1e{power} %", percent=True)


def test_when_nothing_has_to_be_changed() -> None:
    assert is_plain(FileFormParameters())
    assert not is_plain(FileFormParameters(decimal=","))
    assert not is_plain(FileFormParameters(thousands=" "))
