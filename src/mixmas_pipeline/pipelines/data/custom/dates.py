"""Cells that are dates: which forms they have, and what moments they mean. No order of day and month is guessed where
the column leaves two readings."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import CellError, stores_dates, words
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)
_TIME = (
    r"(?:(?:T| +)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>[.,]\d+)?)?"
    r" *(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?"
)
_YEAR_FIRST = re.compile(r"(?P<a>\d{4})(?P<mark>[-/.])(?P<b>\d{1,2})(?P=mark)(?P<c>\d{1,2})" + _TIME)
_YEAR_LAST = re.compile(r"(?P<a>\d{1,2})(?P<mark>[-/.])(?P<b>\d{1,2})(?P=mark)(?P<c>\d{4})" + _TIME)
# Order of a date's parts -> how it is called, an example, and the same as a format.
_ORDERS = {
    "year": ("year first", "2024-01-25", "%Y-%m-%d"),
    "day": ("day first", "25/01/2024", "%d/%m/%Y"),
    "month": ("month first", "01/25/2024", "%m/%d/%Y"),
}
_DAY = 86_400e6  # microseconds


class Rule(NamedTuple):
    """How the training rows write dates.

    Attributes:
        form: "year", "day" or "month": which part comes first; else a format of ``strptime``. Cells that are stored as
            dates need none.
        zoned: the dates have a time zone.
    """

    form: str
    zoned: bool


class Moments(NamedTuple):
    """Attributes:
    days: (n,) float64, since 1970 began (with time zones: in UTC); NaN where a cell is empty.
    clock: (n,) datetime64[us], what calendar and clock show (with time zones: in the one of the parameters); NaT where
        a cell is empty.
    """

    days: np.ndarray
    clock: np.ndarray


def learn_rule(rows: pd.DataFrame, column: str, date_format: str | None) -> Rule:
    """The rule that all cells of the training rows follow. Of 01/02/2024 the order is known where another row has a
    part above 12, which is logged.

    Args:
        date_format: as written in the parameters.

    Raises:
        CellError: a cell is no date, has another form than the others, or day and month cannot be told apart.
    """
    if stores_dates(rows[column]):
        return Rule("year", getattr(rows[column].dtype, "tz", None) is not None)
    texts = words(rows, column)
    if date_format is not None:
        zoned = "%z" in date_format or "%Z" in date_format
        if "%y" in date_format:
            _log.info("%s: years of two digits are those from 1969 to 2068", column, extra=LITERAL)
        return Rule(date_format, zoned)
    first = next(position for position, text in enumerate(texts) if text is not None)
    form = "year" if _YEAR_FIRST.fullmatch(texts[first] or "") else _order(rows, column, texts)
    match = _match(rows, column, first, texts[first] or "", form)
    return Rule(form, match["zone"] is not None)


def written_form(rows: pd.DataFrame, column: str, rule: Rule) -> str | None:
    """The ``date_format`` by which the first cell is read in this order of day and month; None where the year comes
    first, which needs none.

    Args:
        rule: of ``learn_rule``, without a format.
    """
    if rule.form == "year":
        return None
    position, text = next((i, text) for i, text in enumerate(words(rows, column)) if text is not None)
    match = _match(rows, column, position, text, rule.form)
    form = _ORDERS[rule.form][2].replace("/", match["mark"])
    if match["hour"] is None:
        return form
    form += text[match.end("c") : match.start("hour")] + "%H:%M"
    if match["second"] is not None:
        form += ":%S"
    if match["fraction"] is not None:
        form += f"{match['fraction'][0]}%f"
    if match["zone"] is not None:
        end = max(match.end(part) for part in ("minute", "second", "fraction"))
        form += text[end : match.start("zone")] + "%z"
    return form


def read_moments(rows: pd.DataFrame, column: str, rule: Rule, time_zone: str) -> Moments:
    """What the cells mean by the rule.

    Args:
        time_zone: to which dates with a zone are converted, for calendar and clock.

    Raises:
        CellError: a cell is no date, or one of another form; it has a time zone and the rule says none, or the reverse.
    """
    cells = rows[column]
    if stores_dates(cells):
        zoned = getattr(cells.dtype, "tz", None) is not None
        if cells.notna().any() and zoned != rule.zoned:
            raise _other_zone(rows, column, int(cells.notna().to_numpy().argmax()), zoned)
        return _moments(pd.to_datetime(cells, utc=zoned), time_zone)
    texts = words(rows, column)
    if rule.form in _ORDERS:
        known: dict[str | None, str | None] = {None: None}
        for position, text in enumerate(texts):
            if text is not None and text not in known:
                known[text] = _normal(rows, column, position, text, rule)
        normal = pd.Series([known[text] for text in texts], dtype=object)
        found = pd.to_datetime(normal, format="ISO8601", errors="coerce", utc=rule.zoned)
    else:
        found = pd.to_datetime(
            pd.Series(texts, dtype=object), format=rule.form, errors="coerce", utc=True if rule.zoned else None
        )
    empty = np.array([text is None for text in texts], dtype=bool)
    if (bad := found.isna().to_numpy() & ~empty).any():
        position = int(bad.argmax())
        if rule.form not in _ORDERS:
            raise _bad(rows, column, position, f"a date of the form {rule.form!r}, which date_format names")
        raise _bad(rows, column, position, "a date that the calendar has")
    return _moments(found, time_zone)


def _moments(found: pd.Series, time_zone: str) -> Moments:
    clock = found
    if getattr(found.dtype, "tz", None) is not None:
        clock = found.dt.tz_convert(time_zone).dt.tz_localize(None)
        found = found.dt.tz_localize(None)
    since = found.to_numpy(dtype="datetime64[us]")
    days = np.where(np.isnat(since), np.nan, since.astype(np.int64) / _DAY)
    return Moments(days, clock.to_numpy(dtype="datetime64[us]"))


def _order(rows: pd.DataFrame, column: str, texts: list[str | None]) -> str:
    """Of dates that end with the year: "day" or "month", whichever comes first."""
    proofs: dict[str, int] = {}
    for position, text in enumerate(texts):
        if text is None:
            continue
        match = _match(rows, column, position, text, "day")
        for order, part in (("day", "a"), ("month", "b")):
            if int(match[part]) > 12:
                proofs.setdefault(order, position)
    found = [position for position, text in enumerate(texts) if text is not None]
    if len(proofs) == 2:
        one, other = sorted(proofs.values())
        raise _bad(
            rows, column, other,
            f"dates of one order: row {rows.index[one]} has {texts[one]!r}. Write all dates of the column alike, as in "
            "2024-01-25",
        )  # fmt: skip
    if not proofs:
        advice = "write date_format: '%d/%m/%Y' if the day comes first, or '%m/%d/%Y' (with the column's own marks)"
        raise _bad(rows, column, found[0], f"a date that tells day and month apart, in this or another row; {advice}")
    ((order, position),) = proofs.items()
    name, _, form = _ORDERS[order]
    mark = _match(rows, column, position, texts[position] or "", order)["mark"]
    _log.info(
        "%s: dates are read %s, which follows from %r in row %s; date_format: '%s' says the same",
        column, name, texts[position], rows.index[position], form.replace("/", mark), extra=LITERAL,
    )  # fmt: skip
    return order


def _match(rows: pd.DataFrame, column: str, position: int, text: str, form: str) -> re.Match[str]:
    """A cell's parts.

    Raises:
        CellError: it is no date, or one of another form.
    """
    own, other = (_YEAR_FIRST, _YEAR_LAST) if form == "year" else (_YEAR_LAST, _YEAR_FIRST)
    if match := own.fullmatch(text):
        return match
    if other.fullmatch(text):
        like = "year first" if form == "year" else "year last"
        raise _bad(rows, column, position, f"the form of the other dates ({like}). Write all of the column alike")
    raise _bad(rows, column, position, "a date such as 2024-01-25 or 2024-01-25T13:30; date_format names another form")


def _normal(rows: pd.DataFrame, column: str, position: int, text: str, rule: Rule) -> str:
    """The same date as ISO 8601 writes it.

    Raises:
        CellError: it has another form, a zone that the others do not have, or none.
    """
    match = _match(rows, column, position, text, rule.form)
    if (match["zone"] is not None) != rule.zoned:
        raise _other_zone(rows, column, position, not rule.zoned)
    a, b, c = (int(match[part]) for part in "abc")
    year, month, day = {"year": (a, b, c), "day": (c, b, a), "month": (c, a, b)}[rule.form]
    if rule.form != "year" and month > 12 >= day:
        raise _bad(rows, column, position, f"a date {_ORDERS[rule.form][0]}, as the training rows have")
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    fraction = (match["fraction"] or ".0")[1:7]
    zone = {None: "", "Z": "+00:00", "UTC": "+00:00"}.get(match["zone"], match["zone"])
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}{zone}"


def _other_zone(rows: pd.DataFrame, column: str, position: int, zoned: bool) -> CellError:
    has, have = ("a", "none") if zoned else ("no", "one")
    return _bad(
        rows, column, position,
        f"a date like the other ones, or those of the training rows: it has {has} time zone, and they have {have}. "
        "Write the zone (2024-01-25T13:30+01:00) in every row, or in none",
    )  # fmt: skip


def _bad(rows: pd.DataFrame, column: str, position: int, expected: str) -> CellError:
    return CellError(rows, position, column, f"found {str(rows[column].iloc[position])!r}; expected {expected}")
