"""What is in the cells of a table: numbers, words, and errors that say where they are."""

from __future__ import annotations

import re
import unicodedata
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
WHOLE = re.compile(r"^(-?\d+)\.0+$")
DECIMAL_COMMA = re.compile(r"[-+]?(\d{4,},\d+|\d+,(?!\d{3}$)\d+)")  # 1,500 may be either
THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
PERCENT = re.compile(r"[-+]?[\d.,]+\s*%")
DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ].*)?")
LARGEST = 1e30  # numbers are stored in 32 bits, and squared
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
        named = f" (id {rows[ID].iloc[position]})" if ID in rows.columns else ""  # the ids themselves may be wrong
        place = f"row {rows.index[position]}{named}"
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
    """(n,) float64; NaN where a cell is empty. A column of true and false has 1 and 0.

    Args:
        hint: added to the error.

    Raises:
        CellError: a cell has no number, or one beyond 1e30.
    """
    cells = rows[column]
    if cells.dtype.kind == "m" or stores_dates(cells):
        first = int(cells.notna().to_numpy().argmax())
        what = "a length of time" if cells.dtype.kind == "m" else "a date"
        raise CellError(rows, first, column, f"found {str(cells.iloc[first])!r}, {what}; expected a number{hint}")
    values = pd.to_numeric(_as_numbers(cells), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = (np.isnan(values) & cells.notna().to_numpy()) | (np.abs(values) > LARGEST)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        found = cells.iloc[first]
        if np.abs(values[first]) > LARGEST:
            hint = f" of at most {LARGEST:.0e}; if it stands for a missing value, empty the cell"
        if isinstance(found, str):
            hint = _number_hint(found.strip()) or hint
        raise CellError(rows, first, column, f"found {found!r}; expected a number{hint}")
    return values


def stores_dates(cells: pd.Series) -> bool:
    """Whether the file stores the column's cells as dates, not as text or numbers."""
    return cells.dtype.kind == "M" or (
        cells.dtype.kind == "O"
        and not isinstance(cells.dtype, pd.StringDtype)
        and pd.api.types.infer_dtype(cells) in ("date", "datetime", "datetime64")
    )


def _as_numbers(cells: pd.Series) -> pd.Series:
    """Of a column of true and false, as text files write them, 1 and 0; others as they are."""
    if cells.dtype.kind not in "OTU" and not isinstance(cells.dtype, pd.StringDtype):
        return cells
    small = cells.astype(str).str.strip().str.lower()
    truths = small.isin(("true", "false"))
    if not truths.any() or not (truths | cells.isna()).all():
        return cells
    return (small == "true").astype(float).where(truths)


def _number_hint(cell: str) -> str:
    """What to do about a cell that people read as a number or a date; "" if it is neither."""
    if DECIMAL_COMMA.fullmatch(cell):
        return f" with a decimal point, such as {cell.replace(',', '.')}; or write decimal: ',' beside file"
    if THOUSANDS.fullmatch(cell):
        return f" such as {cell.replace(',', '')}; write thousands: ',' beside file (or decimal: ',', if that is meant)"
    if PERCENT.fullmatch(cell):
        return " without a percent sign; list the column under percent, beside file"
    if DATE.fullmatch(cell):
        return "; it looks like a date: list the column under dates, as a fact, or write the days since a fixed date"
    return ""


def words(rows: pd.DataFrame, column: str) -> list[str | None]:
    """Texts; None where a cell is empty. Whole numbers are written without a decimal point.

    Raises:
        CellError: whole numbers were stored as floats, and are so large that digits may have been lost; or there is a
            character NUL, with which arrays of text end.
    """
    if rows[column].dtype.kind == "f":
        cells = rows[column].to_numpy(getattr(rows[column].dtype, "numpy_dtype", rows[column].dtype), na_value=np.nan)
        large = np.abs(cells) >= 2 ** (np.finfo(cells.dtype).nmant + 1)
        if large.any():
            first = int(large.argmax())
            found = f"found {float(cells[first]):.17g}"
            if not np.isfinite(cells[first]):
                raise CellError(rows, first, column, f"{found}; expected a name or a whole number")
            digits = f"stored as {cells.dtype}, which has no more than {np.finfo(cells.dtype).precision} digits"
            raise CellError(rows, first, column, f"{found}, {digits}; save the column as whole numbers or as text")
    texts = [None if empty else word(value) for value, empty in zip(rows[column], rows[column].isna(), strict=True)]
    for position, text in enumerate(texts):
        if text is not None and "\0" in text:
            raise CellError(rows, position, column, f"found {text!r}; expected no character NUL in a name")
    return texts


def word(value: object) -> str:
    """A cell as text. A whole number stays the same whether others of its column are missing, and it is a float, also
    one that was written into a text file ("3.0"), or not."""
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    text = str(value).strip()
    return WHOLE.sub(r"\1", text)


def plain(name: str) -> str:
    """The same for names that differ in their spelling only: capital letters, accents, backslashes, leading zeros."""
    return re.sub(r"(?<![\w.])0+(?=\d)", "", unicodedata.normalize("NFC", name.replace("\\", "/")).casefold())


def _columns(rows: pd.DataFrame) -> list[str]:
    """Those of the file."""
    return [column for column in rows.columns if column not in RESERVED]


def _hint(name: str, known: list[str]) -> str:
    if guess := get_close_matches(name, known, n=1):
        return f"did you mean {guess[0]!r}?"
    shown = ", ".join(map(repr, known[:20])) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"the columns are {shown}"
