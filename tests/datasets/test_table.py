"""The table's file: memory-mapped when loaded, whole when read back, and plain Arrow to everybody else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from artefact_samples import assert_same_table, small_table
from kedro.io import DatasetError
from kedro.io.core import Version

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.datasets.table import TableDataset


def saved(table: MultimodalTable, path: Path) -> TableDataset:
    """The table's data set after a save."""
    dataset = TableDataset(filepath=str(path))
    dataset.save(table)
    return dataset


def all_types_table(task: str, rows: int = 7) -> MultimodalTable:
    """One column of every kind and of many stored types; extra columns of text, numbers, truth values, arrays."""
    rng = np.random.default_rng(3)
    modalities = {
        "poster": Modality("image", (3, 8, 6), "uint8", 1 / 255),
        "sound": Modality("audio", (16, 16), "int16"),
        "plot": Modality("text", (5, 4), "float16"),
        "chart": Modality("time_series", (24, 12), "float32"),
        "static": Modality("tabular", (5,), "float64"),
        "vector": Modality("embedding", (1,), "float32"),
        "age": Modality("tabular", (), "int64", unit="years"),
    }
    arrays = {name: (rng.standard_normal((rows, *m.shape)) * 50).astype(m.dtype) for name, m in modalities.items()}
    classes = ("a", "b", "c")
    labels = np.arange(rows) % 3 if task == "multiclass" else rng.integers(0, 2, (rows, 3), dtype=np.uint8)
    extra = {
        "file": np.array([f"dïr/{i}.wav" for i in range(rows)], dtype=object),
        "snr_db": rng.standard_normal(rows),
        "take": np.arange(rows),
        "flag": np.arange(rows) % 2 == 0,
        "observed": rng.integers(0, 2, (rows, 24, 12), dtype=np.uint8),
        "spread": rng.standard_normal((rows, 3)),
    }
    schema = TableSchema(modalities, task, classes, "made up")
    return MultimodalTable(schema, arrays, labels, [f"é-{i}" for i in range(rows)], extra)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("versioned", [False, True])
def test_round_trip(task: str, versioned: bool, tmp_path: Path) -> None:
    table = all_types_table(task)
    version = Version(None, "v1") if versioned else None
    dataset = TableDataset(filepath=str(tmp_path / "t.arrow"), version=version)
    dataset.save(table)
    assert_same_table(dataset.load(), table)


def test_an_open_table_survives_the_next_save(tmp_path: Path) -> None:
    """The new file takes the name; the old one stays mapped under the arrays that were loaded from it."""
    path = tmp_path / "t.arrow"
    old = saved(small_table(seed=1), path).load()
    new = saved(small_table(seed=2), path).load()
    assert_same_table(old, small_table(seed=1))
    assert_same_table(new, small_table(seed=2))


def test_foreign_arrow_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.arrow"
    with pa.OSFile(str(path), "wb") as sink:
        foreign = pa.table({"id": ["a"], "label": [1]})
        with pa.ipc.new_file(sink, foreign.schema) as writer:
            writer.write_table(foreign)
    with pytest.raises(DatasetError, match="without the multimodal schema") as caught:
        TableDataset(filepath=str(path)).load()
    assert str(path) in str(caught.value)


def shown(preview: str) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of a preview; of pictures their alternative text."""
    text = re.sub(r'<img alt="(.*?)"[^>]*>', r"picture of \1", preview).replace("\u02cd", "_")
    heads, *rows = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
    return heads, rows


def test_preview_names_classes_and_shapes(tmp_path: Path) -> None:
    preview = saved(small_table(), tmp_path / "t").preview()
    columns, rows = shown(preview)
    assert columns == ["id", "label", "image", "vector", "origin"]
    assert len(rows) == 6
    assert rows[1] == ["row-1", "dog", "picture of image", "picture of vector", "file 1"]
    assert "image: image 4×5 uint8, grey level; vector: tabular 3 float32" in preview


def test_preview_joins_the_names_of_several_labels(tmp_path: Path) -> None:
    table = all_types_table("multilabel")
    table.labels[:2] = [[1, 0, 1], [0, 0, 0]]
    columns, rows = shown(saved(table, tmp_path / "t").preview())
    assert [row[columns.index("label")] for row in rows[:2]] == ["a, c", ""]


def test_preview_shows_extra_arrays_by_their_shape(tmp_path: Path) -> None:
    columns, rows = shown(saved(all_types_table("multiclass"), tmp_path / "t.arrow").preview())
    row = dict(zip(columns, rows[0], strict=True))
    assert (row["observed"], row["spread"], row["take"]) == ("24x12 uint8", "3 float64", "0")


@pytest.mark.parametrize("labelled", [True, False])
def test_round_trip_of_missing_modalities(labelled: bool, tmp_path: Path) -> None:
    modalities = {"text": Modality("text", (2,), "float32", optional=True), "sound": Modality("audio", (1,), "uint8")}
    table = MultimodalTable(
        TableSchema(modalities, "regression", ("price", "age")),
        {"text": np.array([[1, 2], [0, 0]], np.float32), "sound": np.ones((2, 1), np.uint8)},
        np.array([[0.5, 1], [-1, 2]]) if labelled else None,
        ["a", "b"],
        present={"text": np.array([True, False])},
    )
    dataset = TableDataset(filepath=str(tmp_path / "t.arrow"))
    dataset.save(table)
    again = dataset.load()
    again.check()
    assert again.schema == table.schema
    assert again.present["text"].tolist() == [True, False]
    assert again.labelled == labelled
    if labelled:
        np.testing.assert_array_equal(again.labels, table.labels)
    columns, rows = shown(dataset.preview())
    assert [row[columns.index("text")] for row in rows] == ["picture of text", "missing"]
    assert ("label" in columns) == labelled
    if labelled:
        assert rows[0][1].startswith("price ")
