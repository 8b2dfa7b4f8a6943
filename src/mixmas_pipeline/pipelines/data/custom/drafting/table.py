"""The table of a draft, read as a run reads it, with a guess of what separates its cells and how it writes a missing
value."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mixmas_pipeline.pipelines.data.custom.cells import MISSING_WORDS, NUMBER
from mixmas_pipeline.pipelines.data.custom.drafting.columns import as_words
from mixmas_pipeline.pipelines.data.custom.drafting.signs import Signs, guess_signs, with_plain_numbers
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
_USUAL = {".csv": ",", ".tsv": "\t"}
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
    """

    rows: pd.DataFrame
    separator: str | None
    missing: tuple[str, ...] | None
    encoding: str | None = None
    signs: Signs = Signs()


def read(path: Path, labels: tuple[str, ...]) -> Table:
    """The rows.

    Args:
        labels: columns whose cells are names.

    Raises:
        ValueError: as ``read_frame``.
    """
    if usual_separator(path) is None:
        return _with_signs(Table(_named(read_frame(path)), None, None))
    separator, encoding = guess_separator(path), guess_encoding(path)
    missing = _guess_missing(read_frame(path, separator, (), encoding=encoding), labels)
    rows = _named(read_frame(path, separator, missing, labels, encoding=encoding))
    return _with_signs(Table(rows, separator, missing, encoding))


def _with_signs(table: Table) -> Table:
    signs = guess_signs(table.rows, table.separator)
    return table._replace(rows=with_plain_numbers(table.rows, signs), signs=signs)


def guess_encoding(path: Path) -> str | None:
    """Of a text that is none in UTF-8, nor begins as one in UTF-16 or UTF-32 does: that of Western Windows."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with opener(path, "rb") as file:
            if file.peek(4).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return None
            while chunk := file.read(_LOOKED_AT):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    except (OSError, EOFError, zlib.error):  # reading it as a whole says what is wrong
        return None
    return None


def usual_separator(path: Path) -> str | None:
    """Of a text file the separator of its format; None of other files."""
    return _USUAL.get(Path(path.name.lower().removesuffix(".gz")).suffix)


def guess_separator(path: Path) -> str | None:
    """The separator that gives all lines at the beginning the same number of cells, more than one; None if that is the
    usual one, or none does."""
    usual = usual_separator(path)
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as file:
            start = file.read(_LOOKED_AT).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError):  # reading it as a whole says what is wrong
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


def _guess_missing(raw: pd.DataFrame, labels: tuple[str, ...]) -> tuple[str, ...] | None:
    """Words such as "?" between the numbers of a column, with the known ones that stand there too; None if there are
    only known ones.

    Args:
        raw: all cells that are not empty.
    """
    marks: set[str] = set()
    for column in raw.columns.difference(list(labels)):
        cells = raw[column].dropna()
        numbers = pd.to_numeric(cells, errors="coerce").notna() & ~cells.isin(MISSING_WORDS)
        if numbers.all() or not numbers.any():
            continue
        written = as_words(cells)
        no_numbers = written[~numbers]
        found = set(no_numbers.unique())
        if found and len(no_numbers) < len(written) / 2 and found <= _MARKS | MISSING_WORDS:
            marks |= found
    return tuple(sorted(marks)) if marks & _MARKS else None


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """With names and numbers of the rows, and with the values of dictionaries instead of their codes."""
    for column in frame.columns:
        if isinstance(dtype := frame[column].dtype, pd.CategoricalDtype):
            frame[column] = frame[column].astype(dtype.categories.dtype)
    return name_rows(frame, None).set_index(NUMBER)
