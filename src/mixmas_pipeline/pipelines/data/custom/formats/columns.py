"""Columns of cells that each have a type of their own, as in workbooks, JSON and SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_EXACT = 2**53  # floats have all whole numbers up to it


def as_column(cells: Sequence[Any]) -> pd.Series:
    """A column of one type, in which nothing is lost.

    Args:
        cells: None for an empty one.

    Returns:
        Whole numbers, numbers, truth values, dates, texts, bytes or lists, where all cells are; else objects: numbers
        as they are stored, and of every other cell the text that ``as_text`` makes of it.
    """
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds <= {bool}:
        return pd.Series(list(cells), dtype="boolean") if kinds else pd.Series(list(cells), dtype=object)
    if kinds == {int} and (dtype := _whole(cells)) is not None:
        return pd.Series(pd.array(list(cells), dtype=dtype))
    if kinds <= {int, float} and float in kinds and all(abs(cell) <= _EXACT for cell in cells if type(cell) is int):
        return pd.Series([np.nan if cell is None else float(cell) for cell in cells])
    if kinds <= {date, datetime} and not any(getattr(cell, "tzinfo", None) for cell in cells):
        moments = [None if cell is None else np.datetime64(cell, "us") for cell in cells]
        return pd.Series(np.array(moments, dtype="datetime64[us]"))
    if kinds in ({bytes}, {list}):
        return pd.Series(list(cells), dtype=object)
    kept = [cell if cell is None or type(cell) in (int, float) else as_text(cell) for cell in cells]
    return pd.Series(kept, dtype=object if kinds & {int, float} else "str")


def as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with texts in place of the objects of ``as_column``: a column of one type again."""
    changed = {}
    for name, cells in frame.items():
        empty = cells.isna()
        if cells.dtype == object and not empty.all() and {type(cell) for cell in cells[~empty]} <= {str, int, float}:
            texts = [None if none else as_text(cell) for cell, none in zip(cells, empty, strict=True)]
            changed[name] = pd.Series(texts, index=frame.index, dtype="str")
    return frame.assign(**changed)


def as_text(cell: Any) -> str:
    """A cell as a text file writes it: a whole number without a point, a date without a time if that is midnight."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _EXACT:
        return str(int(cell))
    if isinstance(cell, datetime):
        return (cell.date() if cell.time() == time() and cell.tzinfo is None else cell).isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)


def _whole(cells: Sequence[Any]) -> str | None:
    """The type that has all of these whole numbers; None if there is none."""
    present = [cell for cell in cells if cell is not None]
    for dtype in ("Int64", "UInt64"):
        limits = np.iinfo(dtype.lower())
        if limits.min <= min(present) and max(present) <= limits.max:
            return dtype
    return None
