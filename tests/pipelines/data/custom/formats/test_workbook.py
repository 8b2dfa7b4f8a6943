"""Workbooks as openpyxl and hand-written XML make them, read and refused."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from mixmas_pipeline.pipelines.data.custom.cells import stores_dates, words
from mixmas_pipeline.pipelines.data.custom.formats import workbook
from mixmas_pipeline.pipelines.data.custom.formats.form import Form

ROWS: list[list[Any]] = [
    [None, "name", "age", " seen ", "share", "code", "ill"],
    [None, "Zoë", 3, datetime(2024, 1, 5), 0.12, "007", True],
    [None, None, None, None, None, None, None],
    [None, "NA", "NA", datetime(2024, 1, 5, 13, 30), 0.5, "1", None],
    [None, "  ", 2.5, None, "n/a", 7, False],
]


def write(folder: Path, rows: list[list[Any]], change: Callable[[Workbook], Any] = lambda book: None) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(number, column, value)
            if isinstance(value, str) and value.startswith("#"):
                cell.data_type = "e"
    change(book)
    book.save(folder / "pets.xlsx")
    return folder / "pets.xlsx"


def edit(path: Path, member: str, old: str, new: str) -> Path:
    """Replace a part of a member's text."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in contents[member], contents[member].decode()
    contents[member] = contents[member].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


def test_cells_of_every_kind(tmp_path: Path) -> None:
    frame = workbook.read(write(tmp_path, ROWS), Form(names=("name",)))
    assert list(frame.columns) == ["name", "age", "seen", "share", "code", "ill"]
    assert words(frame, "name") == ["Zoë", "NA", None], "NA is a name where names are"
    np.testing.assert_array_equal(frame["age"], [3, np.nan, 2.5])
    assert stores_dates(frame["seen"])
    assert frame["seen"].tolist() == [datetime(2024, 1, 5), datetime(2024, 1, 5, 13, 30), pd.NaT]
    np.testing.assert_array_equal(frame["share"], [0.12, 0.5, np.nan])
    assert words(frame, "code") == ["007", "1", "7"]
    assert words(frame, "ill") == ["True", None, "False"]
    given = workbook.read(write(tmp_path, ROWS), Form(missing=("1", "NA")))
    assert words(given, "code") == ["007", None, "7"]
    assert words(given, "share") == ["0.12", "0.5", "n/a"], "only the words that are given are missing"


def test_a_value_without_a_name_has_a_column_and_times_are_texts(tmp_path: Path) -> None:
    frame = workbook.read(write(tmp_path, [["a"], [1, time(13, 30)], [2, None, None]]), Form())
    assert {name: list(frame[name].dropna()) for name in frame} == {"a": [1, 2], "Unnamed: 1": ["13:30:00"]}


def test_formulas_have_the_value_that_was_stored(tmp_path: Path) -> None:
    """openpyxl computes nothing; a spreadsheet program stores <v>."""
    path = write(tmp_path, [["a", "b"], [1, "=A2*2"]])
    with pytest.raises(ValueError, match="the cell B2 has a formula without a value; open the workbook in a spread"):
        workbook.read(path, Form())
    with zipfile.ZipFile(path) as archive:
        formula = re.search(r"<f>A2\*2</f><v ?/?>(</v>)?", archive.read(SHEET).decode())
    assert formula is not None
    frame = workbook.read(edit(path, SHEET, formula[0], "<f>A2*2</f><v>2</v>"), Form())
    assert frame.to_dict("list") == {"a": [1], "b": [2]}
    edit(path, SHEET, '<c r="B2"><f>A2*2</f><v>2</v>', '<c r="B2" t="str"><f>A2*2</f><v></v>')
    assert list(workbook.read(path, Form())) == ["a", "b"], "a formula may give an empty text"
    edit(path, SHEET, "<v></v>", "")
    with pytest.raises(ValueError, match="the cell B2 has a formula without a value"):
        workbook.read(path, Form())


def test_errors_of_formulas(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, [["a", "b"], [1, "#N/A"], [2, 3]])
    with caplog.at_level("INFO"):
        frame = workbook.read(path, Form(names=("b",)))
    assert words(frame, "b") == [None, "3"]
    assert "pets.xlsx: 1 cells are #N/A, and count as missing" in caplog.text
    path = write(tmp_path, [["a", "b"], [1, "#DIV/0!"], [2, 3]])
    with pytest.raises(ValueError, match=r"the cell B2, column b, has the error #DIV/0!; correct it, or write missing"):
        workbook.read(path, Form())
    np.testing.assert_array_equal(workbook.read(path, Form(missing=("#DIV/0!",)))["b"].astype(float), [np.nan, 3])


def test_all_cells_are_read_whatever_the_file_says_of_its_size(tmp_path: Path) -> None:
    path = edit(
        write(tmp_path, [["a", "b"], [1, 2], [3, 4]]), SHEET, '<dimension ref="A1:B3"', '<dimension ref="A1:A2"'
    )
    assert workbook.read(path, Form()).to_dict("list") == {"a": [1, 3], "b": [2, 4]}


def more_sheets(book: Workbook) -> None:
    book.create_sheet("empty")
    book.create_sheet("old")["A1"] = "x"


def hidden(book: Workbook) -> None:
    more_sheets(book)
    book["old"].sheet_state = "hidden"


def test_the_sheet_is_named_or_the_only_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, [["a"], [1]], more_sheets)
    with pytest.raises(ValueError, match="it has 2 sheets with cells, of 'Sheet', 'empty', 'old'; write sheet: and"):
        workbook.read(path, Form())
    with pytest.raises(ValueError, match="there is no sheet 'new'; it has 'Sheet', 'empty', 'old'"):
        workbook.read(path, Form(sheet="new"))
    with pytest.raises(ValueError, match="the sheet 'empty' is empty; expected a first row with the columns' names"):
        workbook.read(path, Form(sheet="empty"))
    assert workbook.read(path, Form(sheet="Sheet"))["a"].tolist() == [1]
    with caplog.at_level("INFO"):
        assert workbook.read(write(tmp_path, [["a"], [1]], hidden), Form())["a"].tolist() == [1]
    assert "The sheet 'Sheet' is read: no other one with cells is visible" in caplog.text


@pytest.mark.parametrize(
    ("rows", "change", "message"),
    [
        ([["a", "b"], [1, 2]], lambda b: b.active.merge_cells("A2:B2"), "the cells A2:B2 are merged, and only"),
        ([["a", "a"], [1, 2]], None, "the column 'a' is there twice"),
        ([["id"], [1234567890123456]], None, "the cell A2, column id, has the number 1234567890123456 as a name; a "
         "workbook keeps 15 digits"),
    ],
)  # fmt: skip
def test_what_would_lose_something(rows: Any, change: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        workbook.read(write(tmp_path, rows, change or (lambda book: None)), Form(names=("id",)))


def test_files_that_are_no_workbooks(tmp_path: Path) -> None:
    path = tmp_path / "pets.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(ValueError, match=r"it is protected by a password, or in the old format \.xls; save it"):
        workbook.read(path, Form())
    write(tmp_path, [["a"], [1]])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"it is no complete workbook \(BadZipFile"):
        workbook.read(path, Form())
    edit(write(tmp_path, [["a"], [1]]), SHEET, 'r="2"', 'r="20000000"')
    with pytest.raises(ValueError, match="it has a row 20000000; expected at most 1048576"):
        workbook.read(path, Form())
    edit(write(tmp_path, [["a"], [1]]), SHEET, "</sheetData>", "")
    with pytest.raises(ValueError, match=r"it is no complete workbook \(ParseError"):
        workbook.read(path, Form())


def test_a_workbook_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [["a"], [1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/zeros.xml", "w") as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    with pytest.raises(ValueError, match=r"it would unpack to 0\.3 GiB, \d+ times its size; expected at most 200"):
        workbook.read(path, Form())
