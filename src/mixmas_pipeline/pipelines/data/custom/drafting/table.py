"""The table of a draft, read as a run reads it, with a guess of what separates its cells and how it writes a missing
value."""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mixmas_pipeline.pipelines.data.custom.cells import MISSING_WORDS, NUMBER
from mixmas_pipeline.pipelines.data.custom.drafting.columns import Kind, as_words, examine
from mixmas_pipeline.pipelines.data.custom.drafting.messages import counted, listed, shown
from mixmas_pipeline.pipelines.data.custom.drafting.signs import Signs, guess_signs, with_plain_numbers
from mixmas_pipeline.pipelines.data.custom.formats.packing import open_unpacked
from mixmas_pipeline.pipelines.data.custom.formats.text import kind_of_text, marked_encoding, usual_separator
from mixmas_pipeline.pipelines.data.custom.reading import name_rows, read_frame
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# Words that stand for a missing value between numbers, beside those that a run knows.
_MARKS = {
    *("?", "-", "--", ".", "..", "*", "N.A.", "n.a.", "na", "none", "NONE", "Null", "missing", "Missing", "MISSING"),
    *("unknown", "Unknown", "UNKNOWN", "not available", "Not Available"),
}
_LOOKED_AT = 1 << 18  # bytes
_LINES = 200


class Table(NamedTuple):
    """A table that was read.

    Attributes:
        rows: as ``nodes`` use them: named, with their numbers in the file as index.
        separator: of the cells, if it is not the usual one of the format.
        missing: words for a missing value, if there are others than a run knows.
        encoding: of a text, if a run would not find it. Default none.
        signs: how its numbers are written. Default: as a run reads them.
        warnings: what a person should look at. Default none.
    """

    rows: pd.DataFrame
    separator: str | None
    missing: tuple[str, ...] | None
    encoding: str | None = None
    signs: Signs = Signs()
    warnings: tuple[str, ...] = ()


def read(path: Path, labels: tuple[str, ...], *, sheet: str | None = None, query: str | None = None) -> Table:
    """The rows.

    Args:
        labels: columns whose cells are names.
        sheet, query: as of ``TableParameters``; text files have none.

    Raises:
        ValueError: as ``read_frame``.
    """
    if usual_separator(path) is None:
        return _with_signs(Table(_named(read_frame(path, names=labels, sheet=sheet, query=query)), None, None))
    separator, encoding = guess_separator(path), guess_encoding(path)
    missing, warnings = _guess_missing(read_frame(path, separator, (), encoding=encoding), labels)
    rows = _named(read_frame(path, separator, missing, labels, encoding=encoding))
    return _with_signs(Table(rows, separator, missing, encoding, warnings=warnings))


def _with_signs(table: Table) -> Table:
    signs, warnings = guess_signs(table.rows, table.separator), table.warnings
    if signs.doubtful:
        example = shown(signs.example)
        warnings += (
            f"numbers such as {example} are taken for {re.sub('[.,]', '', example)}. If the mark is a decimal one, "
            "remove decimal and thousands from the block",
        )
    return table._replace(rows=with_plain_numbers(table.rows, signs), signs=signs, warnings=warnings)


def guess_encoding(path: Path) -> str | None:
    """Of a text that is none in UTF-8, and whose first bytes tell no other encoding: that of Western Windows."""
    try:
        return "cp1252" if marked_encoding(path) is None and kind_of_text(path) == "other" else None
    except (OSError, EOFError, zlib.error):  # reading it as a whole says what is wrong
        return None


def guess_separator(path: Path) -> str | None:
    """The separator that gives all lines at the beginning the same number of cells, more than one; None if that is the
    usual one, or none does."""
    usual = usual_separator(path)
    try:
        with open_unpacked(path) as file:
            start = file.read(_LOOKED_AT).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError, zlib.error):  # reading it as a whole says what is wrong
        return None
    if len(start) >= _LOOKED_AT // 4:  # the last line may be cut off
        start = start.rpartition("\n")[0]
    widths = {separator: _width(start, separator) for separator in (usual or ",", ",", ";", "\t", "|")}
    if widths[usual or ","] > 1:
        return None
    best = max(widths, key=lambda separator: widths[separator])
    return best if widths[best] > 1 else None


def _width(text: str, separator: str) -> int:
    """How many cells each line has; 0 if their numbers differ."""
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        counts = {len(cells) for cells, _ in zip(lines, range(_LINES), strict=False) if cells}
    except csv.Error:
        return 0
    return counts.pop() if len(counts) == 1 else 0


class _Missing(NamedTuple):
    """Attributes:
    words: for a missing value; None: those that a run knows.
    warnings: words that may mean something else in some column.
    """

    words: tuple[str, ...] | None
    warnings: tuple[str, ...]


def _guess_missing(raw: pd.DataFrame, labels: tuple[str, ...]) -> _Missing:
    """Words such as "?" between the numbers of a column. As they replace the known ones in the whole table, the known
    ones that the table has for missing values are added. None may be a value of a label.

    Args:
        raw: all cells that are not empty.
    """
    others = raw.columns.difference(list(labels))
    between = {column: found for column in others if (found := _between_numbers(raw[column]))}
    if not any(found & _MARKS for found in between.values()):
        return _Missing(None, ())
    places = {column: between.get(column) or _known_words(raw[column]) for column in others}
    marks = set().union(*places.values())
    values = {value: label for label in labels if label in raw for value in as_words(raw[label]).unique()}
    if not (marks - values.keys()) & _MARKS:  # the known ones are missing where they are no names
        return _Missing(None, _label_warnings(marks & _MARKS & values.keys(), places, values))
    words = tuple(sorted(marks - values.keys()))
    names = [
        f"{shown(word)} ({counted(number, 'cell')} of {shown(column)})"
        for column in others
        for word, number in as_words(raw[column]).value_counts().items()
        if word in words and word not in places[column] and _has_names(raw[column], words)
    ]
    warnings = _label_warnings(marks & values.keys(), places, values)
    if names:
        warnings += (
            f"missing also empties cells of names: {listed(names)}. If these are names, remove them from missing, and "
            "empty the cells that lack a value in the file",
        )
    return _Missing(words, warnings)


def _between_numbers(column: pd.Series) -> set[str]:
    """The words of a column that has numbers otherwise, if all of them may stand for missing values."""
    cells = column.dropna()
    numbers = pd.to_numeric(cells, errors="coerce").notna() & ~cells.isin(MISSING_WORDS)
    if numbers.all() or not numbers.any():
        return set()
    no_numbers = as_words(cells)[~numbers]
    found = set(no_numbers.unique())
    return found if len(no_numbers) < len(cells) / 2 and found <= _MARKS | MISSING_WORDS else set()


def _known_words(column: pd.Series) -> set[str]:
    """The known words for a missing value in a column, unless the others are names: then it may be one too."""
    found = set(as_words(column).unique()) & MISSING_WORDS
    return set() if found and _has_names(column, MISSING_WORDS) else found


def _has_names(column: pd.Series, without: Collection[str]) -> bool:
    return examine(column.mask(as_words(column).reindex(column.index).isin(without))).kind == Kind.NAMES


def _label_warnings(marks: set[str], places: dict[str, set[str]], values: dict[str, str]) -> tuple[str, ...]:
    """Of marks that are values of a label: value -> label."""
    columns = {mark: listed(column for column, found in places.items() if mark in found) for mark in marks}
    return tuple(
        f"{shown(mark)} stands between the values of {columns[mark]}, and is a value of the label "
        f"{shown(values[mark])} too. It is not taken for a missing value: empty the cells that lack a value in the file"
        for mark in sorted(marks)
    )


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """With names and numbers of the rows, and with the values of dictionaries instead of their codes."""
    for column in frame.columns:
        if isinstance(dtype := frame[column].dtype, pd.CategoricalDtype):
            frame[column] = frame[column].astype(dtype.categories.dtype)
    return name_rows(frame, None).set_index(NUMBER)
