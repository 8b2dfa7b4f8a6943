"""The separator and the words for missing values are guessed; the rest is read as a run reads it."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from draft_samples import animals

from mixmas_pipeline.pipelines.data.custom.cells import ID
from mixmas_pipeline.pipelines.data.custom.drafting.table import guess_separator, read


@pytest.mark.parametrize(("separator", "expected"), [(",", None), (";", ";"), ("\t", "\t"), ("|", "|")])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_separator(separator: str, expected: str | None, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"pets{ending}"
    animals().assign(note="a, b; c | d").to_csv(path, index=False, sep=separator)
    assert guess_separator(path) == expected
    assert read(path, ("outcome",)).rows["note"].iloc[0] == "a, b; c | d"


def test_a_table_of_one_column_has_the_usual_separator(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("number\n1\n2\n")
    assert guess_separator(tmp_path / "one.csv") is None


def test_a_cut_off_file_is_left_to_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "pets.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n" * 1000)[:-20])
    with pytest.raises(ValueError, match="it cannot be read"):
        read(path, ())


def test_words_between_numbers_are_missing_values(tmp_path: Path) -> None:
    frame = animals(horsepower=["?" if i % 7 == 0 else "NA" if i % 5 == 0 else str(i) for i in range(120)])
    frame.to_csv(tmp_path / "pets.csv", index=False)
    table = read(tmp_path / "pets.csv", ("outcome",))
    assert table.missing == ("?", "NA")
    assert table.rows["horsepower"].isna().sum() == sum(i % 7 == 0 or i % 5 == 0 for i in range(120))


def test_known_words_stay_missing_beside_guessed_ones(tmp_path: Path) -> None:
    """``missing`` replaces the known words in the whole table."""
    frame = animals(
        a=["?" if i % 7 == 0 else str(i) for i in range(120)],
        b=["NA", "1.5", "NA", "2.5"] * 30,
        country=["NA", "DE", "FR"] * 40,
        note=["null", "a fine day", "a rainy day", "some rain"] * 30,
    )
    frame.to_csv(tmp_path / "pets.csv", index=False)
    table = read(tmp_path / "pets.csv", ("outcome",))
    assert table.missing == ("?", "NA")
    assert table.rows["b"].isna().sum() == 60
    (warning,) = table.warnings
    assert warning.startswith("missing also empties cells of names: NA (40 cells of country). If these are names")


def test_a_mark_that_is_a_name_elsewhere_is_warned_of(tmp_path: Path) -> None:
    frame = animals(a=["-" if i % 7 == 0 else str(i) for i in range(120)], grade=["-", "A", "B", "C"] * 30)
    frame.to_csv(tmp_path / "pets.csv", index=False)
    table = read(tmp_path / "pets.csv", ("outcome",))
    assert table.missing == ("-",)
    (warning,) = table.warnings
    assert warning.startswith("missing also empties cells of names: - (30 cells of grade)")


def test_a_mark_of_the_label_is_no_missing_value(tmp_path: Path) -> None:
    frame = animals(a=["-" if i % 7 == 0 else str(i) for i in range(120)], outcome=["+", "-"] * 60)
    frame.to_csv(tmp_path / "pets.csv", index=False)
    table = read(tmp_path / "pets.csv", ("outcome",))
    assert table.missing is None
    assert table.rows["outcome"].tolist() == ["+", "-"] * 60
    (warning,) = table.warnings
    assert warning.startswith("- stands between the values of a, and is a value of the label outcome too")


@pytest.mark.parametrize(
    "cells", [["NA", *map(str, range(119))], ["?", "x"] * 60, ["old", *map(str, range(119))], ["a"] * 120]
)
def test_other_words_are_not(cells: list[str], tmp_path: Path) -> None:
    animals(other=cells).to_csv(tmp_path / "pets.csv", index=False)
    assert read(tmp_path / "pets.csv", ("outcome",)).missing is None


def test_the_label_keeps_words_for_missing_values(tmp_path: Path) -> None:
    animals(outcome=["NA", "x"] * 60).to_csv(tmp_path / "pets.csv", index=False)
    assert read(tmp_path / "pets.csv", ("outcome",)).rows["outcome"].unique().tolist() == ["NA", "x"]


def test_the_label_of_a_workbook_keeps_words_for_missing_values(tmp_path: Path) -> None:
    animals(outcome=["NA", "x"] * 60).to_excel(tmp_path / "pets.xlsx", index=False)
    assert read(tmp_path / "pets.xlsx", ("outcome",)).rows["outcome"].unique().tolist() == ["NA", "x"]


def test_dictionaries_of_parquet_are_what_they_stand_for(tmp_path: Path) -> None:
    animals().astype({"breed": "category"}).to_parquet(tmp_path / "pets.parquet")
    assert isinstance(pd.read_parquet(tmp_path / "pets.parquet")["breed"].dtype, pd.CategoricalDtype)
    assert read(tmp_path / "pets.parquet", ()).rows["breed"].tolist() == animals()["breed"].tolist()


def test_rows_are_numbered(tmp_path: Path) -> None:
    animals().to_parquet(tmp_path / "pets.parquet")
    rows = read(tmp_path / "pets.parquet", ()).rows
    assert rows.index.tolist() == list(range(120))
    assert rows[ID].tolist() == [str(i) for i in range(120)]
    pd.testing.assert_series_equal(rows["age"], animals()["age"], check_index=False)


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", None), ("utf-8-sig", None), ("utf-16", None), ("cp1252", "cp1252")]
)
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_encoding(encoding: str, expected: str | None, ending: str, tmp_path: Path) -> None:
    animals(breed=["Münsterländer", "dog"] * 60).to_csv(tmp_path / f"pets{ending}", index=False, encoding=encoding)
    table = read(tmp_path / f"pets{ending}", ("outcome",))
    assert table.encoding == expected
    assert table.rows["breed"].iloc[0] == "Münsterländer"


def test_first_bytes_tell_an_encoding_that_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_bytes(codecs.BOM_UTF32_BE + "breed,n\nMünsterländer,1\ndog,2\n".encode("utf-32-be"))
    table = read(tmp_path / "pets.csv", ())
    assert (table.encoding, table.rows["breed"].tolist()) == (None, ["Münsterländer", "dog"])


def lay_out_parts(folder: Path) -> None:
    """The same table as a sheet and as a table of a database, each beside another one."""
    other = pd.DataFrame({"a": [1]})
    with pd.ExcelWriter(folder / "two.xlsx") as book:
        other.to_excel(book, sheet_name="notes", index=False)
        animals().to_excel(book, sheet_name="pets", index=False)
    with contextlib.closing(sqlite3.connect(folder / "two.sqlite")) as database:
        other.to_sql("notes", database, index=False)
        animals().to_sql("pets", database, index=False)


@pytest.mark.parametrize(
    ("file", "part"), [("two.xlsx", {"sheet": "pets"}), ("two.sqlite", {"query": "select * from pets"})]
)
def test_a_part_of_a_file(file: str, part: dict[str, str], tmp_path: Path) -> None:
    lay_out_parts(tmp_path)
    (key,) = part
    with pytest.raises(ValueError, match=f"write {key}: .* beside file, or --{key} after kedro draft"):
        read(tmp_path / file, ("outcome",))
    assert read(tmp_path / file, ("outcome",), **part).rows["breed"].tolist() == animals()["breed"].tolist()
