"""Files as people have them: named indices, empty cells, whole numbers with a point, rows without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named
from pydantic import TypeAdapter, ValidationError

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom import labels, nodes, reading
from mixmas_pipeline.pipelines.data.custom.kinds import KINDS
from mixmas_pipeline.pipelines.data.custom.modalities import ModalityOf
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.pipelines.data_sets import data_sets
from mixmas_pipeline.pipelines.describe.cells import group_columns

TABLE: dict[str, Any] = {
    "file": "pets.csv",
    "label": "outcome",
    "task": "multiclass",
    "split": {"fractions": {"validation": 0.2, "test": 0.2}},
    "modalities": {"facts": {"kind": "tabular", "columns": ["age"]}},
}


def test_classes_have_one_order() -> None:
    names = ["Nan", "Bob", "10", "2", "inf", "Ann"]
    for turn in range(len(names)):
        turned = names[turn:] + names[:turn]
        assert sorted(turned, key=labels._by_size) == ["2", "10", "Ann", "Bob", "Nan", "inf"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_named_index_is_a_column(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "x": [1, 2]}).set_index("id")
    file = tmp_path / f"rows{suffix}"
    frame.to_parquet(file) if suffix == ".parquet" else frame.to_csv(file)
    assert list(reading.read_frame(file)["id"]) == ["a", "b"]


def test_an_empty_cell_is_missing_whatever_else_is(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n-999,1\n,NA\n")
    assert reading.read_frame(file, missing=("-999",)).isna().to_numpy().tolist() == [[True, False], [True, False]]


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv"])
def test_a_blank_cell_is_missing_as_an_empty_one_is(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"a": ["x", " ", "", "\t", None], "b": [1, 2, 3, 4, 5]})
    file = tmp_path / f"rows{suffix}"
    {".parquet": frame.to_parquet, ".feather": frame.to_feather}.get(suffix, frame.to_csv)(file)
    assert reading.read_frame(file)["a"].isna().tolist() == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1.0, 2.0**60], r"row 1, column id: found 1.152921504606847e.18, stored as float64"),
        (["a", "a\0"], r"row 1, column id: found 'a\\x00'; expected no character NUL in a name"),
    ],
)
def test_ids_that_would_lose_something(ids: list[Any], message: str) -> None:
    """Before the rows have the ids that other errors name."""
    with pytest.raises(ValueError, match=message):
        reading.name_rows(pd.DataFrame({"id": ids}), "id")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c\n1,2,3\n4,5\n6,7,8\n", r"line 3 has fewer cells than the first line, 2 of 3 .is the file cut off"),
        ('a,b\n1,"two\nlines"\n3\n', "line 4 has fewer cells than the first line, 1 of 2"),
        ("a,b\n1,2\rthree\n4,5\n", "line 3 has fewer cells than the first line, 1 of 2"),
        ("a,b\n1,2\x003\n", "line 2 has a character NUL"),
        ("a;b;c, d\nx;1,5;3\ny;2;4\n", "line 3 has fewer cells .*; its first line has 2 ';': write separator: ';'"),
    ],
)
def test_text_that_pandas_would_read_as_less_than_is_written(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(text.encode())
    with pytest.raises(ValueError, match=message):
        reading.read_frame(tmp_path / "rows.csv")


def test_blank_lines_and_long_cells_are_read(tmp_path: Path) -> None:
    long = "word " * 40_000
    (tmp_path / "rows.csv").write_text(f'a,b\n\n1, "{long}, more"\n\n2,\n \t\n')
    frame = reading.read_frame(tmp_path / "rows.csv")
    assert frame["a"].tolist() == ["1", "2"]
    assert frame["b"][0] == f"{long}, more"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": [False, True]}, "YAML reads it as False; put it into quotation marks"),
    ],
)
def test_what_is_written_wrong_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TableParameters.model_validate({**TABLE, **change})


@pytest.mark.parametrize("name", ["table", "My Photo", "a.b"])
def test_names_of_modalities(name: str) -> None:
    section = {"table": {**TABLE, "modalities": {name: TABLE["modalities"]["facts"]}}}
    with pytest.raises(
        ValueError, match=rf"pets\.table\.modalities\.{name}: .*expected small letters.*found: '{name}'"
    ):
        data_sets({"pets": section})["pets"].prepare("pets", section)


@pytest.mark.parametrize("name", ["train", "type", "keys"])
def test_names_that_torch_uses(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"torch uses that name itself; try {name}_data"):
        TableParameters.model_validate({**TABLE, "modalities": {name: TABLE["modalities"]["facts"]}})


@pytest.mark.parametrize("written", [1.0, "1.0", 1, "1"])
def test_whole_numbers_of_parameters_are_those_of_cells(written: Any) -> None:
    split = {"column": "fold", "values": {"train": [written], "validation": [2], "test": [3]}}
    changed = {"task": "binary", "positive": written, "classes": ["0.0", written], "split": split, "missing": ["1.0"]}
    table = TableParameters.model_validate({**TABLE, **changed})
    assert (table.positive, table.classes) == ("1", ("0", "1"))
    assert table.split.values is not None
    assert table.split.values["train"] == ("1",)
    assert table.missing == ("1.0",)  # what is missing is spelt as in the file


def test_whole_numbers_in_a_cell_of_several_labels() -> None:
    table = TableParameters.model_validate({**TABLE, "task": "multilabel", "labels_separator": "|"})
    rows = named(pd.DataFrame({"outcome": ["1.0|2", "1"], "age": [1, 2]}))
    assert labels.learn_classes(rows, table) == ["1", "2"]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"kind": "image", "column": "photo", "folder": ".", "pattern": "{}.png", "height": 8, "width": 8},
            r"file: .*column 'photo' and the pattern '\{\}.png' say, in ",
        ),
        (
            {"kind": "audio", "column": "photo", "folder": "."},
            r"file: .*column 'photo' and the pattern '\{\}' say, in ",
        ),
        ({"kind": "text", "column": "story"}, "text in the column 'story'"),
    ],
)
def test_a_modality_that_no_training_row_has(tmp_path: Path, written: dict[str, Any], message: str) -> None:
    parameters: Any = TypeAdapter(ModalityOf).validate_python({**written, "optional": True})
    rows = named(pd.DataFrame({"photo": ["a", None], "story": [" ", None]}))
    with pytest.raises(ValueError, match=f"no training row has a {message}"):
        KINDS[parameters.kind].learn(parameters, rows, tmp_path)


def test_a_path_outside_the_folder_is_called_so(tmp_path: Path) -> None:
    written = {"kind": "image", "column": "photo", "folder": ".", "height": 8, "width": 8}
    parameters: Any = TypeAdapter(ModalityOf).validate_python(written)
    rows = named(pd.DataFrame({"photo": ["../a.png"]}))
    with pytest.raises(ValueError, match=r"row 0 \(id r0\), column photo: the path '../a.png' points outside "):
        KINDS["image"].prepare(parameters, {}, rows, tmp_path)


def test_rows_without_any_label_are_known_to_have_none() -> None:
    """Of new rows it is not known."""
    table = TableParameters.model_validate({**TABLE, "task": "multilabel", "labels_separator": "|"})
    rows = named(pd.DataFrame({"outcome": [None, None]})).reset_index()
    facts = Column(np.ones((2, 1), np.float32), np.ones(2, bool), Modality("tabular", (1,), "float32"))
    learnt, written = {"classes": ["a", "b"]}, table.model_dump(mode="json")
    assert nodes.build_table(rows, learnt, written, "pets.csv", facts).labels.tolist() == [[0, 0], [0, 0]]
    assert not nodes.build_new_table(rows, learnt, written, "new.csv", facts).labelled


@pytest.mark.parametrize(
    ("cells_of", "found"),
    [
        (["a", "b", None], True),
        ([b"a", b"b", b"c"], True),
        ([[1.0], [2.0], [3.0]], False),
        (pd.to_datetime(["2024-01-01", None, "2024-01-02"]), False),
        (list(pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]).date), False),
        ([True, False, True], False),
        ([1, 2, 3], False),
    ],
)
def test_columns_that_may_be_groups(cells_of: Any, found: bool) -> None:
    rows = named(pd.DataFrame({"outcome": ["a", "b", "a"], "age": [1, 2, 3], "extra": cells_of}))
    splits = {split: rows.reset_index() for split in ("train", "validation", "test")}
    columns = group_columns(splits, TableParameters.model_validate(TABLE))
    assert ("extra" in columns["train"]) == found


def test_labels_that_nobody_has() -> None:
    table = TableParameters.model_validate({**TABLE, "task": "multilabel", "labels_separator": "|"})
    rows = named(pd.DataFrame({"outcome": [None, None], "age": [1, 2]}))
    with pytest.raises(ValueError, match="no training row has a label in the column 'outcome'"):
        labels.check_examples(rows, table, labels.learn_classes(rows, table))
