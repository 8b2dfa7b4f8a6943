"""A sheet of a workbook (.xlsx, .xlsm): formulas by the values that the spreadsheet program has stored."""

from __future__ import annotations

import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mixmas_pipeline.pipelines.data.custom.cells import MISSING_WORDS
from mixmas_pipeline.pipelines.data.custom.formats.columns import as_column, as_text
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # first bytes of .xls, and of what a password encrypts
_LAST_ROW, _LAST_COLUMN = 1 << 20, 1 << 14
_LARGE, _MOST_TIMES = 1 << 28, 200  # bytes that may be packed as tightly as they like; of more, how many times
_DIGITS = 10**15  # spreadsheet programs keep 15 digits of a number
_NOT_AVAILABLE = "#N/A"  # what people and formulas write for a missing value


class _Cell(NamedTuple):
    place: str
    value: Any
    is_error: bool


def read(path: Path, form: Form) -> pd.DataFrame:
    """The rows below the first one that is not empty, which has the columns' names. Empty rows, and columns without a
    name and without any value, are left out.

    Raises:
        ValueError: it has a password, is no workbook, or unpacks to far more than it has; several sheets, or none of
            the name; merged cells; a formula without a value; an error value other than #N/A; a number as a name, which
            may have lost digits.
    """
    with _errors(), _opened(path) as book:
        sheet = _sheet(book, form.sheet)
        _check_sheet(book, sheet)
        sheet.reset_dimensions()  # what the file says of its size may be wrong
        rows = [row for row in (_cells(row) for row in sheet.iter_rows()) if row]
    if not rows:
        raise ValueError(f"the sheet {sheet.title!r} is empty; expected a first row with the columns' names")
    first, *others = rows
    places = sorted(first.keys() | {place for row in others for place in row})
    columns, missing = {}, 0
    for place in places:
        name = as_text(first[place].value).strip() if place in first else f"Unnamed: {place - 1}"
        if name in columns:
            raise ValueError(f"the column {name!r} is there twice; expected different names")
        cells = [row.get(place) for row in others]
        missing += sum(cell is not None and cell.is_error and cell.value == _NOT_AVAILABLE for cell in cells)
        columns[name] = as_column([_value(cell, form, name) for cell in cells])
    if missing:
        _log.info("%s: %d cells are %s, and count as missing", path.name, missing, _NOT_AVAILABLE, extra=LITERAL)
    return pd.DataFrame(columns, index=range(len(others)))


@contextmanager
def _errors() -> Iterator[None]:
    """Damaged XML makes openpyxl raise errors of any kind; each becomes a ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parts that are not read: drawings, validations
            yield
    except (ValueError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"it is no complete workbook ({type(error).__name__}: {error})") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The workbook, after its size has been looked at."""
    from openpyxl import load_workbook

    with path.open("rb") as file:
        if file.read(len(_OLE)) == _OLE:
            raise ValueError(
                "it is protected by a password, or in the old format .xls; save it as .xlsx without a password"
            )
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            _check_size(archive)
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            yield book
        finally:
            book.close()


def _check_size(archive: zipfile.ZipFile) -> None:
    unpacked = sum(member.file_size for member in archive.infolist())
    packed = sum(member.compress_size for member in archive.infolist())
    if unpacked > _LARGE and unpacked > _MOST_TIMES * packed:
        raise ValueError(
            f"it would unpack to {unpacked / 2**30:.1f} GiB, {unpacked // max(1, packed)} times its size; expected at "
            f"most {_MOST_TIMES} times"
        )


def _sheet(book: Any, name: str | None) -> Any:
    """The sheet that is named; else the only one that is not hidden and has a cell."""
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    shown = ", ".join(map(repr, sheets))
    if name is not None:
        if name not in sheets:
            raise ValueError(f"there is no sheet {name!r}; it has {shown}")
        return sheets[name]
    filled = [s for s in sheets.values() if s.sheet_state == "visible" and _has_cells(book, s)]
    if len(filled) != 1:
        what = f"{len(filled)} sheets with cells" if filled else "no sheet with cells that is not hidden"
        advice = "write sheet: and the name of one beside file, or --sheet after kedro draft"
        raise ValueError(f"it has {what}, of {shown}; {advice}")
    if len(sheets) > 1:
        _log.info("The sheet %r is read: no other one with cells is visible", filled[0].title, extra=LITERAL)
    return filled[0]


def _elements(book: Any, sheet: Any, *names: str) -> Iterator[Any]:
    """The sheet's XML elements of these names, as they are stored."""
    from xml.etree.ElementTree import iterparse

    with book._archive.open(sheet._worksheet_path) as file:
        for _, element in iterparse(file):
            if element.tag in {f"{_MAIN}{name}" for name in names}:
                yield element
                element.clear()


def _has_cells(book: Any, sheet: Any) -> bool:
    return next(_elements(book, sheet, "v", "is"), None) is not None


def _check_sheet(book: Any, sheet: Any) -> None:
    """What openpyxl does not tell of a sheet that it reads row by row: merged cells, formulas that nothing has
    computed, rows that no sheet has."""
    for element in _elements(book, sheet, "c", "row", "mergeCell"):
        kind = element.tag.removeprefix(_MAIN)
        if kind == "mergeCell":
            place = element.get("ref")
            raise ValueError(
                f"the cells {place} are merged, and only the first has a value; unmerge them, and fill each cell"
            )
        if kind == "row" and not 1 <= int(element.get("r", 1)) <= _LAST_ROW:
            raise ValueError(f"it has a row {element.get('r')}; expected at most {_LAST_ROW}")
        if kind == "c" and _lacks_value(element):
            raise ValueError(
                f"the cell {element.get('r')} has a formula without a value; open the workbook in a spreadsheet "
                "program, and save it there"
            )


def _lacks_value(cell: Any) -> bool:
    """Whether a formula has no value. One that is an empty text is marked as text."""
    if cell.find(f"{_MAIN}f") is None:
        return False
    value = cell.find(f"{_MAIN}v")
    return value is None or (not value.text and cell.get("t") != "str")


def _cells(row: tuple[Any, ...]) -> dict[int, _Cell]:
    """Column, from 1 -> what is there; without empty and blank cells."""
    cells = {}
    for cell in row:
        value = cell.value
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if cell.column > _LAST_COLUMN:
            raise ValueError(f"it has a cell {cell.coordinate}; expected at most {_LAST_COLUMN} columns")
        cells[cell.column] = _Cell(cell.coordinate, value, cell.data_type == "e")
    return cells


def _value(cell: _Cell | None, form: Form, column: str) -> Any:
    """A cell as it is; None if it is missing."""
    if cell is None:
        return None
    if form.missing is not None and as_text(cell.value) in form.missing:
        return None
    if cell.is_error:
        if cell.value == _NOT_AVAILABLE:
            return None
        raise ValueError(
            f"the cell {cell.place}, column {column}, has the error {cell.value}; correct it, or write missing: "
            f"['{cell.value}'] beside file"
        )
    if not form.is_name(column):
        return None if form.missing is None and cell.value in MISSING_WORDS else cell.value
    if isinstance(cell.value, int | float) and abs(cell.value) >= _DIGITS:
        raise ValueError(
            f"the cell {cell.place}, column {column}, has the number {cell.value:.17g} as a name; a workbook keeps 15 "
            "digits of a number, so others may be lost. Write the column as text"
        )
    return cell.value
