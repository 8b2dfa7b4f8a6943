"""What is in the cells of a table: numbers, words, and errors that say where they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# What text files write for a missing value, as pandas reads them.
MISSING_WORDS = {
    *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
}
_WHOLE = re.compile(r"^(-?\d+)\.0+$")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,(?!\d{3}$)\d+")  # 1,500 may be either
# Columns of every frame of rows: their ids, as texts; their numbers in the file, from 0 (which are the index of the
# frames that kinds get); how many rows the file has.
ID, NUMBER, COUNT = RESERVED = ("row id", "row number", "rows in the file")


class CellError(ValueError):
    """Something is wrong in one row. Who knows the file's name adds it in front.

    Args:
        rows: with the row's number in the index.
        position: of the row in ``rows``, from 0.
        column: its name; "" if it is not about a single one.
        text: what was found, and what was expected.
    """

    def __init__(self, rows: pd.DataFrame, position: int, column: str, text: str) -> None:
        place = f"row {rows.index[position]} (id {rows[ID].iloc[position]})"
        super().__init__(f"{place}{f', column {column}' if column else ''}: {text}")


def choose(rows: pd.DataFrame, patterns: Iterable[str]) -> list[str]:
    """The columns that are named, or that fit a pattern: those of one pattern in the order of the file.

    Raises:
        ValueError: there is none; or one is named twice.
    """
    columns = _columns(rows)
    found: list[str] = []
    for pattern in patterns:
        fitting = [pattern] if pattern in columns else [c for c in columns if fnmatchcase(c, pattern)]
        if not fitting:
            raise ValueError(f"there is no column {pattern!r}; {_hint(pattern, columns)}")
        if repeated := sorted(set(fitting) & set(found)):
            raise ValueError(f"the column {repeated[0]!r} is named twice, the second time by {pattern!r}")
        found += fitting
    return found


def check_column(rows: pd.DataFrame, column: str, what: str) -> None:
    """Is the column there?

    Raises:
        ValueError: it is not.
    """
    if column not in rows.columns:
        raise ValueError(f"there is no column {column!r}, which is {what}; {_hint(column, _columns(rows))}")


def numbers(rows: pd.DataFrame, column: str, hint: str = "") -> np.ndarray:
    """(n,) float64; NaN where a cell is empty.

    Args:
        hint: added to the error.

    Raises:
        CellError: a cell has no number, or an infinite one.
    """
    cells = rows[column]
    if cells.dtype.kind in "mM":
        first = int(cells.notna().to_numpy().argmax())
        raise CellError(rows, first, column, f"found {str(cells.iloc[first])!r}, a date; expected a number{hint}")
    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = (np.isnan(values) & cells.notna().to_numpy()) | np.isinf(values)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        found = cells.iloc[first]
        if isinstance(found, str) and _DECIMAL_COMMA.fullmatch(found.strip()):
            hint = f" with a decimal point, such as {found.strip().replace(',', '.')}; change the column's commas"
        raise CellError(rows, first, column, f"found {found!r}; expected a number{hint}")
    return values


def words(rows: pd.DataFrame, column: str) -> list[str | None]:
    """Texts; None where a cell is empty. Whole numbers are written without a decimal point."""
    return [None if empty else word(value) for value, empty in zip(rows[column], rows[column].isna(), strict=True)]


def word(value: object) -> str:
    """A cell as text. A whole number stays the same whether others of its column are missing, and it is a float, also
    one that was written into a text file ("3.0"), or not."""
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    text = str(value).strip()
    return _WHOLE.sub(r"\1", text)


def _columns(rows: pd.DataFrame) -> list[str]:
    """Those of the file."""
    return [column for column in rows.columns if column not in RESERVED]


def _hint(name: str, known: list[str]) -> str:
    if guess := get_close_matches(name, known, n=1):
        return f"did you mean {guess[0]!r}?"
    shown = ", ".join(map(repr, known[:20])) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"the columns are {shown}"
