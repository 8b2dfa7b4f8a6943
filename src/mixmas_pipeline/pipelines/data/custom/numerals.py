"""Numbers as people type them, with a decimal comma, marks of thousands or percent signs, to plain ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from mixmas_pipeline.pipelines.data.custom.cells import CellError
from mixmas_pipeline.pipelines.data.custom.formats.columns import as_texts
from mixmas_pipeline.pipelines.data.custom.modalities import FileFormParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_SPACES, _APOSTROPHES = " \u00a0\u202f", "'\u2019"  # as word processors write them, too
_TRUTHS = ("true", "false")


def is_plain(form: FileFormParameters) -> bool:
    """Whether numbers are written as Python writes them."""
    return form.decimal == "." and form.thousands is None


def plain_numbers(rows: pd.DataFrame, column: str, form: FileFormParameters, *, percent: bool = False) -> pd.Series:
    """The column's cells, with those that are texts as plain numbers: no digit changes. Cells that are stored as
    numbers stay as they are.

    Args:
        percent: every text has a percent sign, and becomes a fraction: "12 %" is 0.12.

    Raises:
        CellError: a text is no number that is written so. (true and false stay as they are.)
    """
    cells, pattern = rows[column], _pattern(form, percent=percent)
    if all(not isinstance(cell, str) for cell in cells):
        return cells
    found = cells.astype(object).to_numpy(copy=True)
    for position, cell in enumerate(found):
        if not isinstance(cell, str) or cell.strip().lower() in _TRUTHS:
            continue
        number = _plain(cell.strip(), pattern, percent=percent)
        if number is None:
            expected = f"expected a number such as {_example(form, percent=percent)}"
            raise CellError(rows, position, column, f"found {cell!r}; {expected}")
        found[position] = number
    return pd.Series(found, index=cells.index, dtype=cells.dtype)


def with_plain_numbers(
    rows: pd.DataFrame,
    stored: pd.DataFrame,
    columns: Iterable[str],
    form: FileFormParameters,
    *,
    percent: Collection[str] = (),
) -> pd.DataFrame:
    """The rows, with ``plain_numbers`` in some columns.

    Args:
        stored: the same rows, whose numbers are not texts yet: in a text, a stored 1.234 may be read as 1234.
        columns: those to change.
        percent: those of them with percent signs.

    Raises:
        CellError: as ``plain_numbers``.
    """
    columns = sorted(columns)
    cells = rows.assign(**{column: stored[column] for column in columns})
    changed = {column: plain_numbers(cells, column, form, percent=column in percent) for column in columns}
    return as_texts(rows.assign(**changed))


def _plain(text: str, pattern: re.Pattern[str], *, percent: bool) -> str | None:
    """The number as Python writes it; None if it is none, or has a power that no number has."""
    match = pattern.fullmatch(text)
    if match is None:
        return None
    point = "" if match["part"] is None else f".{match['part']}"
    whole = re.sub(r"[^0-9]", "", match["whole"])
    number = f"{match['sign']}{whole}{point}{match['power'] or ''}".replace("\u2212", "-")
    if not percent:
        return number
    try:
        return str(Decimal(number).scaleb(-2))
    except ArithmeticError:
        return None


def _pattern(form: FileFormParameters, *, percent: bool) -> re.Pattern[str]:
    # Not \d, which is a digit of any script: those would be dropped, or read by other rules.
    whole, mark = "[0-9]+", re.escape(form.decimal)
    if form.thousands is not None:
        apart = re.escape(_marks(form.thousands))
        whole = rf"[0-9]{{1,3}}(?P<apart>[{apart}])[0-9]{{3}}(?:(?P=apart)[0-9]{{3}})*|[0-9]+"
    return re.compile(
        rf"(?P<sign>[-+\u2212]?)(?P<whole>{whole}|(?={mark}[0-9]))(?:{mark}(?P<part>[0-9]*))?"
        r"(?P<power>[eE][-+]?[0-9]+)?" + (r"\s*%" if percent else "")
    )


def _marks(thousands: str) -> str:
    return next((alike for alike in (_SPACES, _APOSTROPHES) if thousands in alike), thousands)


def _example(form: FileFormParameters, *, percent: bool) -> str:
    sign = " %" if percent else ""
    keys = f"decimal: {form.decimal!r}" + (f", thousands: {form.thousands!r}" if form.thousands else "")
    example = f"1{form.thousands or ''}234{form.decimal}5{sign}"
    where = ", and the column is under percent)" if percent else ")"
    return f"{example!r} ({keys}{where}; names and dates are listed under categories and dates"
