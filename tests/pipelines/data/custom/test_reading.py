"""Every format gives the same rows; what is wrong is named by file, row and column."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from custom_samples import FRACTIONS, pets, table
from pyarrow import feather

from mixmas_pipeline.pipelines.data.custom import nodes
from mixmas_pipeline.pipelines.data.custom.cells import ID, NUMBER, CellError, numbers, words
from mixmas_pipeline.pipelines.data.custom.reading import name_rows, read_frame, read_rows


def write(frame: pd.DataFrame, path: Path) -> Path:
    match path.name.partition(".")[2]:
        case "csv" | "csv.gz":
            frame.to_csv(path, index=False)
        case "tsv" | "tsv.gz":
            frame.to_csv(path, index=False, sep="\t")
        case "xlsx":
            frame.to_excel(path, index=False)
        case "json" | "json.gz":
            frame.to_json(path, orient="records")
        case "jsonl" | "jsonl.gz" | "ndjson":
            frame.to_json(path, orient="records", lines=True, compression="infer")
        case "orc":
            frame.to_orc(path)
        case "arrow":
            frame.to_feather(path)
        case "parts":
            path.mkdir()
            frame[: len(frame) // 3].to_parquet(path / "part-0.parquet")
            frame[len(frame) // 3 :].to_parquet(path / "part-1.parquet")
        case "parquet":
            frame.to_parquet(path)
        case "feather":
            frame.to_feather(path)
        case "sqlite":
            columns = ", ".join(frame.columns)  # without types: cells stay what they are
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(f"create table pets ({columns})")
                connection.executemany(f"insert into pets values ({', '.join('?' * frame.shape[1])})", frame.to_numpy())
        case "npz":
            np.savez(path, **{c: frame[c].to_numpy(dtype=None if frame[c].dtype == float else str) for c in frame})
    return path


ENDINGS = ["csv", "csv.gz", "tsv", "tsv.gz", "xlsx", "json", "json.gz", "jsonl", "jsonl.gz", "ndjson", "parquet"]
ENDINGS += ["feather", "arrow", "orc", "npz", "parts"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_the_same_rows(ending: str, tmp_path: Path) -> None:
    frame = pets(20)
    rows = read_rows(write(frame, tmp_path / f"pets.{ending}"), table(id="name"))
    assert list(rows[ID]) == list(frame["name"])
    assert list(rows[NUMBER]) == list(range(20))
    assert words(rows, "kind") == list(frame["kind"])
    np.testing.assert_allclose(numbers(rows, "age"), frame["age"])
    rows.to_parquet(tmp_path / "rows.parquet")  # as the catalog keeps them
    assert words(pd.read_parquet(tmp_path / "rows.parquet"), "kind") == list(frame["kind"])


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow", "orc", "parts", "json", "jsonl"])
def test_large_whole_numbers_keep_their_digits_beside_missing_ones(ending: str, tmp_path: Path) -> None:
    """9007199254740993 is 2**53 + 1, which no float has."""
    frame = pd.DataFrame({"n": pd.array([9007199254740993, None, 9007199254740992], dtype="Int64"), "x": [1, 2, 3]})
    rows = read_frame(write(frame, tmp_path / f"a.{ending}"))
    assert words(rows, "n") == ["9007199254740993", None, "9007199254740992"]
    assert words(rows, "x") == ["1", "2", "3"]
    np.testing.assert_array_equal(numbers(name_rows(rows, None), "n"), [2.0**53, np.nan, 2.0**53])
    rows.to_parquet(tmp_path / "rows.parquet")  # as the catalog keeps them
    assert words(pd.read_parquet(tmp_path / "rows.parquet"), "n") == ["9007199254740993", None, "9007199254740992"]


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_a_named_index_keeps_its_digits_and_one_without_a_name_is_none_of_the_columns(
    ending: str, tmp_path: Path
) -> None:
    large = pd.array([9007199254740993, None, 9007199254740992], dtype="Int64")
    frame = pd.DataFrame({"x": [1, 2, 3]}, index=pd.Index(large, name="patient"))
    if ending == "parquet":  # Feather has no index
        frame.to_parquet(tmp_path / "a.parquet")
        assert words(read_frame(tmp_path / "a.parquet"), "patient") == ["9007199254740993", None, "9007199254740992"]
        frame.rename_axis(None).to_parquet(tmp_path / "a.parquet")
    else:
        frame.reset_index(drop=True).to_feather(tmp_path / "a.feather")
    assert list(read_frame(tmp_path / f"a.{ending}").columns) == ["x"]


def test_an_offset_that_points_outside_is_found_before_it_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "pets.feather"
    texts = pa.table({"name": pa.array([f"name {i}" for i in range(100)], pa.string())})
    feather.write_feather(texts, path, compression="uncompressed")
    content = path.read_bytes()
    offsets = np.cumsum([0, *(len(f"name {i}") for i in range(100))]).astype(np.int32).tobytes()
    assert offsets in content
    changed = offsets[:200] + (2**30).to_bytes(4, "little") + offsets[204:]
    path.write_bytes(content.replace(offsets, changed))
    with pytest.raises(ValueError, match=r"[Oo]ffset"):
        read_frame(path)


def test_endings_may_be_in_capitals(tmp_path: Path) -> None:
    for ending in ("csv", "csv.gz", "parquet", "feather", "npz"):
        path = write(pets(4), tmp_path / f"pets.{ending}")
        assert list(read_frame(path.rename(tmp_path / f"PETS.{ending.upper()}"))["kind"]) == list(pets(4)["kind"])
    assert table(file="PETS.NPZ").is_arrays


def test_text_files_with_a_mark_other_cells_and_other_words_for_missing(tmp_path: Path) -> None:
    path = tmp_path / "pets.csv"
    path.write_bytes("\ufeffname; age;kind\na;1;NA\nb;-;x\n".encode())
    rows = read_frame(path, ";", ("-",))
    assert list(rows.columns) == ["name", "age", "kind"]
    assert list(rows["kind"]) == ["NA", "x"]
    assert list(rows["age"].isna()) == [False, True]


def test_words_for_missing_are_names_where_names_are_expected(tmp_path: Path) -> None:
    path = tmp_path / "pets.csv"
    path.write_text("name,kind,breed,age,note,house\nNA,null,None,NA,N/A,NA\nrex,cat,,3,nan,null\n")
    parameters = table(
        id="name",
        split={**FRACTIONS, "group": "house"},
        modalities={
            "facts": {"kind": "tabular", "columns": ["age", "br*"], "categories": ["br*"]},
            "words": {"kind": "text", "column": "note", "optional": True},
        },
    )
    rows = read_rows(path, parameters)
    assert list(rows["name"]) == ["NA", "rex"]
    assert list(rows["kind"]) == ["null", "cat"]
    assert words(rows, "breed") == ["None", None]
    assert words(rows, "house") == ["NA", "null"], "rows of one group would be divided among the splits"
    assert words(rows, "note") == [None, None]
    np.testing.assert_array_equal(numbers(rows, "age"), [np.nan, 3])
    other = table(label="age", task="regression", modalities={"words": {"kind": "text", "column": "note"}})
    assert words(read_rows(path, other), "kind") == [None, "cat"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modalities": {"facts": {"kind": "tabular", "columns": ["k*"]}}}, "'kind' is table.label, and would be"),
        ({"split": {"column": "age"}}, r"modalities.facts: the column 'age' is table.split.column"),
        ({"split": {**FRACTIONS, "group": "age"}}, r"'age' is table.split.group.*group_is_input: true"),
    ],
)
def test_columns_that_tell_the_label_or_the_split_are_no_inputs(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write(pets(20), tmp_path / "pets.csv")
    with pytest.raises(ValueError, match=message):
        read_rows(path, table(**changes))
    read_rows(path, table(split={**FRACTIONS, "group": "age", "group_is_input": True}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty; expected a first line"),
        ("age,kind\n", "it has no rows"),
        ("age,kind,age\n1,x,2\n", "the column 'age' is there twice"),
        ("age,kind\n1,x\n2,y,z\n", "cannot be read"),
        ("age,kind\n1,x,\n2,y,z\n", "cannot be read"),
        ("age,row id,kind\n1,2,x\n", "a column is named 'row id'"),
        ("age;kind\n1,5;x\n", "its first line has 1 ';': write separator: ';' beside file"),
        ("age\tkind\n1\tx\n", r"it has one column, .*: write separator: '\\t' beside file"),
        ("agee,kind\n1,x\n", "modalities.facts: there is no column 'age'; did you mean 'agee'"),
        ("age,kid\n1,x\n", "there is no column 'kind', which is table.label; did you mean 'kid'"),
    ],
)
def test_texts_that_are_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "pets.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        nodes.read_table(path, table().model_dump())
    assert str(error.value).startswith("pets.csv: ")


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "row 3, column name: there is no id"), ("pet1", "row 3, column name: the id 'pet1' is also that of row 1")],
)
def test_ids_are_there_once(name: str, message: str, tmp_path: Path) -> None:
    frame = pets(6)
    frame.loc[3, "name"] = name
    with pytest.raises(ValueError, match=message):
        nodes.read_table(write(frame, tmp_path / "pets.csv"), table(id="name").model_dump())


def test_other_encodings_and_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "pets.csv"
    path.write_bytes("age,kind\n1,cat\xe9\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"pets.csv: it is no UTF-8 text: line 2 has the byte 0xe9, .* '1,caté'"):
        nodes.read_table(path, table().model_dump())
    assert list(nodes.read_table(path, table(encoding="latin-1").model_dump())["kind"]) == ["caté"]
    rows = name_rows(pd.DataFrame({"age": ["2", " 1,50", "3"]}), None)
    with pytest.raises(CellError, match=r"row 1.*found ' 1,50'; expected a number with a decimal point, such as 1.50"):
        numbers(rows, "age", "; if its values are names, list the column under categories")


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    for name in ("pets.xls", "pets.gz", "pets.parquet.gz", "pets", "csv"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ValueError, match=rf"{name}: found the ending '.*'; expected one of .csv, .*Parquet files"):
            nodes.read_table(tmp_path / name, table().model_dump())
    for name in ("pets.parquet", "pets.npz", "pets.feather", "pets.arrow", "pets.orc", "pets.xlsx", "pets.json"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(ValueError, match=name):
            nodes.read_table(tmp_path / name, table().model_dump())
    with gzip.open(tmp_path / "pets.csv.gz", "wb") as file:
        file.write(b"age,kind\n" + b"1,x\n" * 5000)
    (tmp_path / "cut.csv.gz").write_bytes((tmp_path / "pets.csv.gz").read_bytes()[:40])
    with pytest.raises(ValueError, match="cannot be read"):
        nodes.read_table(tmp_path / "cut.csv.gz", table().model_dump())


def test_arrays_are_not_unpickled_and_are_of_one_length(tmp_path: Path) -> None:
    path = tmp_path / "pets.npz"
    np.savez(path, kind=np.array(["x", "y"], dtype=object), age=np.zeros(2))
    with pytest.raises(ValueError, match="array 'kind' holds Python objects"):
        nodes.read_table(path, table().model_dump())
    np.savez(path, kind=np.array(["x", "y"]), age=np.zeros(3))
    with pytest.raises(ValueError, match="different numbers of rows"):
        nodes.read_table(path, table().model_dump())


def test_whole_numbers_are_the_same_words_whether_others_are_missing_or_not() -> None:
    assert words(pd.DataFrame({"a": [1.0, np.nan, 2.5]}), "a") == ["1", None, "2.5"]
    assert words(pd.DataFrame({"a": [1, 2]}), "a") == ["1", "2"]


GERMAN = """name;age;discount;kind;code;spent\na;1,5;12 %;x;1,50;1.234,5\nb;;0,5%;y;2,50;-7\n"""


def test_numbers_as_people_type_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Names keep their spelling, and a row of the training table is read as a new row is."""
    (tmp_path / "pets.csv").write_text(GERMAN)
    written: dict[str, Any] = {
        "id": "name",
        "separator": ";",
        "decimal": ",",
        "thousands": ".",
        "percent": ["disc*"],
        "modalities": {
            "facts": {"kind": "tabular", "columns": "*", "categories": ["code"], "optional": True},
            "other": {"kind": "tabular", "columns": ["spent"], "optional": True},
        },
    }
    with caplog.at_level("INFO"):
        rows = read_rows(tmp_path / "pets.csv", table(**written))
    assert "discount: '12 %' is read as 0.12" in caplog.text
    np.testing.assert_array_equal(numbers(rows, "age"), [1.5, np.nan])
    np.testing.assert_array_equal(numbers(rows, "discount"), [0.12, 0.005])
    np.testing.assert_array_equal(numbers(rows, "spent"), [1234.5, -7])
    assert words(rows, "code") == ["1,50", "2,50"]
    (tmp_path / "new.csv").write_text("name;age;code\na;1,5;1,50\n")
    new = read_rows(tmp_path / "new.csv", table(**written), labelled=False)
    assert numbers(new, "age") == [1.5]
    (tmp_path / "new.csv").write_text("name;age;discount;code\na;1,5;12;1,50\n")
    with pytest.raises(CellError, match=r"row 0 \(id a\), column discount: found '12'; expected .* '1.234,5 %'"):
        read_rows(tmp_path / "new.csv", table(**written), labelled=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"percent": ["kind"]}, "table.percent has 'kind', which no modality and no target has as a number"),
        ({"percent": ["ages"]}, "there is no column 'ages'; did you mean 'age'"),
        ({"decimal": ","}, r"row 0 \(id 0\), column age: found '1.5'; expected a number such as '1234,5'"),
        ({"percent": ["age"]}, r"column age: found '1.5'; expected a number such as '1234.5 %' .*under percent"),
    ],
)
def test_numbers_that_are_typed_otherwise(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text("age,kind\n1.5,x\n")
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / "pets.csv", table(**changes))


def test_targets_may_have_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text("age;kind\n1;0,5\n2;1,5\n")
    regression = table(task="regression", separator=";", decimal=",")
    np.testing.assert_array_equal(numbers(read_rows(tmp_path / "pets.csv", regression), "kind"), [0.5, 1.5])


@pytest.mark.parametrize("ending", ["xlsx", "jsonl", "sqlite"])
def test_stored_numbers_beside_typed_ones_are_taken_as_they_are(ending: str, tmp_path: Path) -> None:
    """In German, 1.234 as a text is 1234; as a number it is stored, and has no marks."""
    cells = {
        "name": [1.5, "b", 2],
        "age": [1.234, "1.234,5", -999],
        "share": [0.12, "12 %", 1],
        "kind": [1.234, "x", 7],
    }
    path = write(pd.DataFrame(cells, dtype=object), tmp_path / f"pets.{ending}")
    modalities = {"facts": {"kind": "tabular", "columns": ["age", "share"]}}
    german = {"decimal": ",", "thousands": ".", "percent": ["share"], "missing": ["-999"], "id": "name"}
    rows = read_rows(path, table(modalities=modalities, **german))
    np.testing.assert_array_equal(numbers(rows, "age"), [1.234, 1234.5, np.nan])
    np.testing.assert_array_equal(numbers(rows, "share"), [0.12, 0.12, 1])
    assert words(rows, "kind") == ["1.234", "x", "7"], "a name keeps its spelling"
    assert list(rows[ID]) == ["1.5", "b", "2"]
    rows.to_parquet(tmp_path / "rows.parquet")  # as the catalog keeps them


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet", "jsonl"])
def test_words_for_missing_hold_for_every_format(ending: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [2**53 + 1, -999, 7], "x": [1.5, -999.0, 2.0], "s": ["a", "-999", "-"]})
    if ending == "xlsx":
        frame["n"] = frame["n"].astype(str)  # a workbook has no such numbers
    rows = read_frame(write(frame, tmp_path / f"a.{ending}"), missing=("-999", "-"))
    assert words(rows, "n") == ["9007199254740993", None, "7"]
    np.testing.assert_array_equal(numbers(name_rows(rows, None), "x"), [1.5, np.nan, 2])
    assert words(rows, "s") == ["a", None, None]
