"""Text files with a line per row: .csv and .tsv, packed or not."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mixmas_pipeline.pipelines.data.custom.cells import MISSING_WORDS
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.pipelines.data.custom.formats.packing import open_unpacked
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)
_LONGEST = 2**31 - 1  # letters of a cell
_CHUNK = 1 << 20
SEPARATORS = {".csv": ",", ".tsv": "\t"}  # of the cells, by the ending without .gz
# First bytes -> the encoding that they tell; the longer ones first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def read(path: Path, form: Form) -> pd.DataFrame:
    """All columns as texts, NaN for an empty cell and for the words of ``form.missing`` (by default, where cells are no
    names, those that pandas takes for missing).

    Raises:
        ValueError: the text is not in the encoding; a row has more or fewer cells than the first line; a column's name
            is there twice; there is a character NUL.
        OSError, EOFError, zlib.error, csv.Error, pandas.errors.ParserError: the file is damaged.
    """
    separator = form.separator or usual_separator(path)
    assert separator is not None, "a text file"
    encoding = _encoding(path, form.encoding)
    try:
        frame = _read(path, separator, encoding, form.missing or ())
    except UnicodeDecodeError as error:
        raise ValueError(_undecodable(path, encoding, error)) from error
    except pd.errors.EmptyDataError as error:
        raise ValueError("it is empty; expected a first line with the columns' names") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(f"it cannot be read: {error}{_other_separator(path, separator, encoding)}") from error
    for column in frame.columns:
        if form.missing is None and not form.is_name(column.strip()):
            frame[column] = frame[column].mask(frame[column].isin(MISSING_WORDS))
    return frame


def _read(path: Path, separator: str, encoding: str, missing: tuple[str, ...]) -> pd.DataFrame:
    settings: dict[str, Any] = {"sep": separator, "dtype": str, "encoding": encoding, "skipinitialspace": True}
    names = pd.read_csv(path, header=None, nrows=1, keep_default_na=False, **settings).iloc[0].tolist()
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"the column {repeated[0]!r} is there twice; expected different names")
    _check_lines(path, separator, encoding, len(names))
    with warnings.catch_warnings():
        # A row with more cells than the header would lose the last ones.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(path, index_col=False, na_values=["", *missing], keep_default_na=False, **settings)
    if len(names) == 1 and " " not in names[0].strip() and (advice := _other_separator(path, separator, encoding)):
        raise ValueError(f"it has one column, {names[0].strip()!r}{advice}")
    return frame


def usual_separator(path: Path) -> str | None:
    """Of a text file the separator of its format; None of other files."""
    return SEPARATORS.get(Path(path.name.lower().removesuffix(".gz")).suffix)


def marked_encoding(path: Path) -> str | None:
    """The encoding that the first bytes tell, if they tell one."""
    with open_unpacked(path) as file:
        start = file.read(4)
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), None)


def kind_of_text(path: Path) -> Literal["ascii", "utf-8", "other"]:
    """What all bytes of a file can be read as."""
    decoder, is_ascii = codecs.getincrementaldecoder("utf-8")(), True
    with open_unpacked(path) as file:
        try:
            while chunk := file.read(_CHUNK):
                is_ascii &= chunk.isascii()
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "other"
    return "ascii" if is_ascii else "utf-8"


def _encoding(path: Path, written: str | None) -> str:
    """The encoding that is written, else the one that the first bytes tell, else UTF-8."""
    marked = marked_encoding(path)
    if written is None:
        if marked is not None and marked != "utf-8-sig":
            _log.info("%s begins as a text in %s does, and is read so", path.name, marked.upper(), extra=LITERAL)
        return marked or "utf-8-sig"
    name = codecs.lookup(written).name
    if name == "utf-8":
        return "utf-8-sig"
    if not name.startswith("utf") and (marked is not None or kind_of_text(path) == "utf-8"):
        _log.warning(
            "%s reads as %s too: if it shows letters such as Ã or Â, leave out encoding: %s",
            path.name, (marked or "utf-8").upper().removesuffix("-SIG"), written, extra=LITERAL,
        )  # fmt: skip
    return name


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> str:
    """What is no text in the encoding, where, and what to do about it."""
    name = encoding.upper().removesuffix("-SIG")
    if name != "UTF-8":
        return f"it is no {name} text ({error.reason}); expected another encoding: beside file, or none"
    with open_unpacked(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as found:
                byte, shown = line[found.start], line[max(0, found.start - 10) : found.start + 10]
                return (
                    f"it is no UTF-8 text: line {number} has the byte {byte:#x}, which in cp1252 reads "
                    f"{shown.decode('cp1252', errors='replace').strip()!r}. If that is right, write encoding: cp1252 "
                    "beside file; else name another encoding, such as latin-1, or save the file as UTF-8"
                )
    return f"it is no UTF-8 text ({error.reason}); save it as UTF-8"


def _other_separator(path: Path, separator: str, encoding: str) -> str:
    """Advice, if another character than the separator divides the first line."""
    with open_unpacked(path) as file:
        first = file.readline(_CHUNK).decode(encoding, errors="replace")
    if '"' in first:
        return ""
    counts = {other: first.count(other) for other in ";,\t|"}
    most = max(counts, key=lambda other: counts[other])
    if most == separator or counts[most] <= counts.get(separator, 0):
        return ""
    return f"; its first line has {counts[most]} {most!r}: write separator: {most!r} beside file"


def _check_lines(path: Path, separator: str, encoding: str, columns: int) -> None:
    """Refuse what pandas would read as less than is written.

    Raises:
        ValueError: a row has fewer cells than the first line; or there is a character NUL, at which a cell would end.
    """

    def whole(lines: Iterable[str]) -> Iterator[str]:
        for number, line in enumerate(lines, start=1):
            if "\0" in line:
                advice = "; if it is UTF-16, write encoding: utf-16-le or utf-16-be beside file"
                raise ValueError(f"line {number} has a character NUL; expected text in UTF-8{advice}")
            yield line

    csv.field_size_limit(_LONGEST)
    with io.TextIOWrapper(open_unpacked(path), encoding=encoding, newline="") as file:
        reader = csv.reader(whole(file), delimiter=separator, skipinitialspace=True)
        for cells in reader:
            if len(cells) < columns and any(cell.strip() for cell in cells):  # blank lines are skipped
                advice = _other_separator(path, separator, encoding)
                raise ValueError(
                    f"line {reader.line_num} has fewer cells than the first line, {len(cells)} of {columns}"
                    + (advice or " (is the file cut off, or does a cell have a line break without quotation marks?)")
                    + ". Write empty cells as well"
                )
