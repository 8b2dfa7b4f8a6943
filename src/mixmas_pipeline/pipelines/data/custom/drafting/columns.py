"""What is in a column of a table: numbers, names, texts, dates, lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import DATE, DECIMAL_COMMA, LARGEST, PERCENT, THOUSANDS, WHOLE, word
from mixmas_pipeline.pipelines.data.custom.drafting.messages import listed, shown
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


class Kind(StrEnum):
    """What a column's cells are."""

    EMPTY = "empty"
    NUMBERS = "numbers"
    BOOLEANS = "true and false"
    NAMES = "names"
    TEXTS = "texts"
    DATES = "dates"
    LISTS = "lists of numbers"
    OTHER = "other"  # nothing that a modality can be made of: ``problem`` says what


@dataclass(frozen=True)
class ColumnFacts:
    """A column.

    Attributes:
        name: of the column.
        kind: of its cells.
        filled: how many cells are not empty.
        distinct: how many different values they have.
        example: one of them.
        whole: all numbers are whole.
        words: per cell, on average; of names and texts.
        depth: of lists: 1 for a list of numbers, 2 for a list of such lists.
        problem: why no modality can have the column as it is, and the remedy; "" if one can.
    """

    name: str
    kind: Kind
    filled: int
    distinct: int
    example: str = ""
    whole: bool = False
    words: float = 1.0
    depth: int = 0
    problem: str = ""

    @property
    def repeated(self) -> float:
        """Mean number of cells per value."""
        return self.filled / max(1, self.distinct)

    @property
    def is_unique(self) -> bool:
        """Whether every cell that is not empty has another value."""
        return self.filled > 1 and self.distinct == self.filled


_MOST = 0.9  # the share of cells from which on a column is what they are
# Per cell, on average, of texts rather than names; of fewer words, if they recur in other cells.
_TEXT_WORDS, _NAME_WORDS, _TEXT_LETTERS = 2.5, 1.5, 40
_RECUR = 2.0  # times that a word occurs, on average
_FEW = 20  # different values that may be names of categories whatever they look like
_WEB = re.compile(r"https?://\S+|www\.\S+")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_WRITTEN_DATE = re.compile(rf"(\d{{1,2}}[ -])?{_MONTH}[ -]\d{{1,4}}(,? \d{{4}}|[ -]\d{{2,4}})?", re.IGNORECASE)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?( ?[ap]m)?", re.IGNORECASE)
_MONEY = re.compile(r"[-+(]? ?([$€£¥]|USD|EUR) ?[-+]?[\d.,]+ ?[kKmMbB]?\)?|[-+]?[\d.,]+ ?([$€£¥]|USD|EUR)")
_LEADING_ZERO = r"0\d+"
_SIGNS = (
    (_MONEY, "amounts of money", "take the currency signs and the commas out of the column"),
    (PERCENT, "numbers with a percent sign", "all of them or none need the sign"),
    (
        THOUSANDS,
        "numbers with commas between thousands",
        "write thousands: ',' beside file, or decimal: ',' if that is meant",
    ),
    (
        DECIMAL_COMMA,
        "numbers with a decimal comma",
        "write decimal points, or decimal: ',' beside file if all numbers of the table have it",
    ),
)


def examine(cells: pd.Series) -> ColumnFacts:
    """What a column has, of all rows.

    Args:
        cells: as ``reading.read_frame`` gives them, named.
    """
    name, filled = str(cells.name), cells.dropna()
    if not len(filled):
        return ColumnFacts(name, Kind.EMPTY, 0, 0)
    first = filled.iloc[0]
    if isinstance(first, list | tuple | np.ndarray):
        return _lists(name, filled)
    plain = ColumnFacts(name, Kind.DATES, len(filled), 0, shown(first))
    match pd.api.types.infer_dtype(filled, skipna=True):
        case "datetime64" | "datetime" | "date":
            return replace(plain, distinct=filled.nunique())
        case "timedelta64" | "timedelta" | "time" | "period" | "interval" as what:
            problem = f"values of the type {what}, such as {shown(first)}; write them as numbers"
            return replace(plain, kind=Kind.OTHER, problem=problem)
        case "boolean":
            return replace(plain, kind=Kind.BOOLEANS, distinct=filled.nunique())
        case "integer" | "floating" | "mixed-integer-float" | "decimal":
            return _numbers(name, pd.to_numeric(filled), filled)
        case _ if isinstance(first, dict):
            return replace(plain, kind=Kind.OTHER, problem="records; put their values into columns of their own")
    return _texts(name, as_words(filled).astype("str"))


def as_words(cells: pd.Series) -> pd.Series:
    """The cells that are not empty, each as ``cells.word`` gives it: "3" of 3, 3.0 and " 3"."""
    filled = cells.dropna()
    if isinstance(filled.dtype, pd.StringDtype):
        return filled.str.strip().str.replace(WHOLE.pattern, r"\1", regex=True)
    return filled.map(word)


def _numbers(name: str, cells: pd.Series, written: pd.Series) -> ColumnFacts:
    """Args:
    written: the same cells as the file has them.
    """
    values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    exact = np.abs(values) < 2**53
    distinct = len(np.unique(values[exact])) + written[~exact].nunique()  # floats of larger numbers lack digits
    facts = ColumnFacts(name, Kind.NUMBERS, len(values), distinct, shown(written.iloc[0]))
    if (large := ~(np.abs(values) <= LARGEST)).any():
        row = int(large.argmax())
        problem = (
            f"row {cells.index[row]} has {shown(written.iloc[row])}; expected numbers of at most {LARGEST:.0e}. If it "
            "stands for a missing value, empty the cell"
        )
        return replace(facts, kind=Kind.OTHER, problem=problem)
    return replace(facts, whole=bool((values % 1 == 0).all()))


def _lists(name: str, cells: pd.Series) -> ColumnFacts:
    shapes: list[tuple[int, ...] | None] = []
    contents: set[bytes] = set()
    for cell in cells:
        try:
            array = np.array([np.asarray(part, np.float64) for part in cell])
            shapes.append(array.shape)
            contents.add(array.tobytes())
        except (TypeError, ValueError):
            shapes.append(None)
    usual, problem = max(set(shapes), key=shapes.count), ""
    if usual is None or len(usual) > 2:
        problem = "lists of something else than numbers; make columns, or one text, of each list"
    elif others := [i for i, shape in enumerate(shapes) if shape != usual]:
        row, shape = cells.index[others[0]], shapes[others[0]]
        of = "other things than numbers" if shape is None else f"{_size(shape)} values"
        problem = (
            f"lists of unequal length: most have {_size(usual)} values, row {row} has {of} (rows of another length: "
            f"{len(others)} of {len(cells)}). Pad or cut them to one length; or write a series into a file of its own "
            "with one row per step"
        )
    depth = 0 if usual is None else len(usual)
    kind, example = Kind.OTHER if problem else Kind.LISTS, shown(list(cells.iloc[0]))
    return ColumnFacts(name, kind, len(cells), len(contents), example, depth=depth, problem=problem)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _texts(name: str, written: pd.Series) -> ColumnFacts:
    """Args:
    written: as of ``as_words``.
    """
    numbers = pd.to_numeric(written, errors="coerce")
    if numbers.notna().all() and not written.str.fullmatch(_LEADING_ZERO).any():
        return _numbers(name, numbers, written)
    distinct = written.unique().tolist()  # cells of a column repeat
    share = _Shares(written)
    example = shown(distinct[0])
    plain = ColumnFacts(name, Kind.NAMES, len(written), len(distinct), example)
    if {text.lower() for text in distinct} <= {"true", "false"}:
        return replace(plain, kind=Kind.BOOLEANS)
    if numbers.notna().all():
        return plain  # codes: 007 is no 7
    if max(share.of(DATE), share.of(_WRITTEN_DATE)) >= _MOST or share.of(DATE, _WRITTEN_DATE) >= _MOST:
        return _dates(plain, distinct)
    if problem := _why_unusable(written, distinct, share, numbers):
        return replace(plain, kind=Kind.OTHER, problem=problem)
    words = float(written.str.count(r"\S+").mean())
    letters = float(written.str.len().mean())
    several = words >= _NAME_WORDS and (letters >= _TEXT_LETTERS or _words_recur(distinct))
    is_text = words >= _TEXT_WORDS or several or _is_unspaced(distinct)
    few, some = len(distinct) <= _FEW and plain.repeated >= 5, len(distinct) <= 5 * _FEW and plain.repeated >= 20
    kind = Kind.TEXTS if is_text and not few and not some else Kind.NAMES
    return replace(plain, kind=kind, words=words)


def _words_recur(texts: list[str]) -> bool:
    """Whether different cells share words."""
    words = [word for text in texts for word in re.findall(r"\w+", text.lower())]
    return len(words) >= _RECUR * len(set(words))


def _is_unspaced(texts: list[str]) -> bool:
    """Whether most are sentences of a script without spaces between words (Chinese, Japanese, Thai)."""
    return sum(len(re.findall(r"[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff]", t)) >= 12 for t in texts) > len(texts) / 2


class _Shares:
    """Which share of cells has a form."""

    def __init__(self, written: pd.Series) -> None:
        self._counts = written.value_counts()

    def of(self, *patterns: re.Pattern[str]) -> float:
        """Of cells that have one of the forms."""
        fits = [any(pattern.fullmatch(text) for pattern in patterns) for text in self._counts.index]
        return float(self._counts[fits].sum() / self._counts.sum())


def _why_unusable(written: pd.Series, distinct: list[str], share: _Shares, numbers: pd.Series) -> str:
    """Why cells that are neither numbers nor dates can be no categories and no texts; "" if they may be."""
    if share.of(_WEB) >= _MOST:
        return f"web addresses such as {shown(distinct[0])}; download the files, and name them in the column"
    if share.of(re.compile(r"\[.*\]|\(.*\)", re.DOTALL)) >= _MOST and any("," in text for text in distinct):
        return "lists written as text; save the table as Parquet, or write one column per number"
    if share.of(_CLOCK) >= _MOST:
        return f"times such as {shown(distinct[0])}; write them as numbers (minutes since midnight)"
    for pattern, what, remedy in _SIGNS:
        signed = np.array([pattern.fullmatch(text) is not None for text in written])
        if signed.any() and (signed | numbers.notna().to_numpy()).mean() >= _MOST and len(distinct) > 2:
            return f"{what} such as {shown(written.iloc[int(signed.argmax())])}; {remedy}"
    bad = numbers.isna().to_numpy()
    if bad.mean() <= 0.2 and len(distinct) > _FEW:
        row = int(bad.argmax())
        return (
            f"numbers, but row {written.index[row]} has {shown(written.iloc[row])!r} (such rows: {int(bad.sum())}). "
            "Correct them; if they stand for missing values, name them under table.missing"
        )
    return ""


def _dates(plain: ColumnFacts, distinct: list[str]) -> ColumnFacts:
    """Dates, unless they are written in several forms."""
    forms: dict[str, str] = {}
    for text in distinct:
        forms.setdefault(date_form(text), text)
    if len(forms) > 1:
        problem = f"dates in {len(forms)} forms ({listed(forms.values(), 3)}); write all of them like 2024-10-01"
        return replace(plain, kind=Kind.OTHER, problem=problem)
    return replace(plain, kind=Kind.DATES)


def date_form(text: str) -> str:
    """How a date is written: where its year is, and what stands between its parts; not whether a time follows."""
    if DATE.fullmatch(text):
        day = re.split(r"[T ]", text)[0]
        separator = re.sub(r"\d", "", day)[:1]
        return separator.join("year" if len(part) == 4 else "00" for part in day.split(separator))
    if _WRITTEN_DATE.fullmatch(text):
        return re.sub(r"\d{1,2}", "0", re.sub(r"\d{4}", "year", re.sub(_MONTH, "month", text, flags=re.IGNORECASE)))
    return "other"


def are_names(facts: ColumnFacts) -> bool:
    """Whether a column of names has few enough of them to be a category."""
    return facts.kind == Kind.NAMES and (
        facts.repeated >= 5 or (facts.distinct <= _FEW and facts.repeated >= 2) or facts.distinct <= 2
    )


def examine_all(frame: pd.DataFrame, columns: Iterable[str]) -> dict[str, ColumnFacts]:
    """Column -> what it has."""
    return {column: examine(frame[column]) for column in columns}
