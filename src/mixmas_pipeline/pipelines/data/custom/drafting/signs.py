"""How a table writes its numbers: decimal commas, marks of thousands, percent signs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from mixmas_pipeline.pipelines.data.custom.cells import RESERVED
from mixmas_pipeline.pipelines.data.custom.modalities import FileFormParameters
from mixmas_pipeline.pipelines.data.custom.numerals import plain_numbers
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_SIGN, _PERCENT = r"[-+\u2212]?", r"(?P<percent>\s*%)?"
# Numbers with a decimal comma, or none; with a decimal point, or none.
_COMMA = re.compile(rf"{_SIGN}([1-9][0-9]{{0,2}}(?P<apart>\.[0-9]{{3}})+|[0-9]+)(,(?P<part>[0-9]+))?{_PERCENT}")
_POINT = re.compile(rf"{_SIGN}([1-9][0-9]{{0,2}}(?P<apart>,[0-9]{{3}})+|[0-9]+)(\.(?P<part>[0-9]+))?{_PERCENT}")


class Signs(NamedTuple):
    """What a table's numbers have beside digits.

    Attributes:
        decimal: "," if it is no point. Default none.
        thousands: what divides their digits in threes. Default none.
        percent: columns of numbers with a percent sign. Default none.
        example: of a cell that shows it. Default none.
        doubtful: whether the example could be read in another way. Default false.
    """

    decimal: str | None = None
    thousands: str | None = None
    percent: tuple[str, ...] = ()
    example: str = ""
    doubtful: bool = False

    @property
    def form(self) -> dict[str, Any]:
        """The keys of ``FileFormParameters``."""
        keys = {"decimal": self.decimal, "thousands": self.thousands}
        return {key: value for key, value in keys.items() if value}


def guess_signs(rows: pd.DataFrame, separator: str | None = None) -> Signs:
    """The signs, from columns in which every text is such a number.

    "1,5" and "1.234,5" show a decimal comma, "1.5" and "1,234,567" a decimal point. If some columns show the one and
    others the other, neither is guessed. "1.234" and "1,234" may be read both ways. If a column has three digits after
    each mark and no number from 1000 on without one, the marks are taken for those of thousands: points where ";"
    separates the cells, as it does where people write decimal commas, and commas elsewhere.

    Args:
        separator: of the cells. Default: the comma, or none.
    """
    texts = {name: cells for name in rows if name not in RESERVED and (cells := _texts(rows[name]))}
    commas, points = (_matches(texts, pattern) for pattern in (_COMMA, _POINT))
    comma, point = _only(commas, _POINT), _only(points, _COMMA)
    percent = tuple(name for name, found in (commas | points).items() if all(match["percent"] for match in found))
    if comma and not point:
        return Signs(",", "." if _any(commas, "apart") else None, percent, comma)
    if point and not comma and _any(points, "apart"):
        return Signs(None, ",", percent, point)
    if not comma and not point and (example := _grouped(commas if separator == ";" else points)):
        return Signs("," if separator == ";" else None, example[-4], percent, example, doubtful=True)
    return Signs(percent=tuple(name for name in percent if not any("," in m[0] for m in (commas | points)[name])))


def with_plain_numbers(rows: pd.DataFrame, signs: Signs) -> pd.DataFrame:
    """The rows as a run reads them with these signs."""
    form = FileFormParameters.model_validate(signs.form)
    changed = {}
    pattern = _COMMA if signs.decimal else _POINT
    for name in rows.columns.difference(list(RESERVED)):
        texts = _texts(rows[name])
        signed = name in signs.percent
        if texts and (signed or (signs.form and all(pattern.fullmatch(text) for text in texts))):
            changed[name] = plain_numbers(rows, name, form, percent=signed)
    return rows.assign(**changed)


def _texts(cells: pd.Series) -> list[str]:
    """Its different texts; none if another type is among them."""
    if pd.api.types.infer_dtype(cells, skipna=True) != "string":
        return []
    return [text.strip() for text in cells.dropna().unique()]


def _matches(texts: dict[str, list[str]], pattern: re.Pattern[str]) -> dict[str, list[re.Match[str]]]:
    """The columns of which every text fits."""
    found = {name: [pattern.fullmatch(text) for text in cells] for name, cells in texts.items()}
    return {name: [m for m in matches if m] for name, matches in found.items() if all(matches)}


def _only(found: dict[str, list[re.Match[str]]], other: re.Pattern[str]) -> str:
    """A text that cannot be read in the other way; "" if there is none."""
    return next((m[0] for matches in found.values() for m in matches if not other.fullmatch(m[0])), "")


def _grouped(found: dict[str, list[re.Match[str]]]) -> str:
    """The first text with a mark of thousands, of a column without decimal marks or larger numbers without one."""
    for matches in found.values():
        whole = [m for m in matches if m["part"] is None and not m["percent"]]
        marked = [m[0] for m in whole if m["apart"]]
        if marked and len(whole) == len(matches) and all(m["apart"] or len(m[1]) <= 3 for m in whole):
            return marked[0]
    return ""


def _any(found: dict[str, list[re.Match[str]]], group: str) -> bool:
    return any(match[group] for matches in found.values() for match in matches)
