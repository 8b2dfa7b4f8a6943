"""The table's file: memory-mapped when loaded, whole when read back, and plain Arrow to everybody else."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from artefact_samples import assert_same_table, small_table
from kedro.io import DatasetError
from kedro.io.core import Version

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema, chunks
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.storage.memory_maps import release


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


def test_round_trip_of_one_row(tmp_path: Path) -> None:
    assert_same_table(saved(small_table(1), tmp_path / "t").load(), small_table(1))


def test_round_trip_of_a_view(tmp_path: Path) -> None:
    """Arrays that are not contiguous: every second row, axes swapped."""
    table = small_table(12)
    base = np.arange(2 * 5 * 4 * 6, dtype=np.uint8).reshape(12, 5, 4)
    view = MultimodalTable(
        table.schema,
        {"image": base.transpose(0, 2, 1), "vector": np.zeros((24, 3), dtype=np.float32)[::2]},
        table.labels,
        table.ids,
    )
    loaded = saved(view, tmp_path / "t").load()
    np.testing.assert_array_equal(loaded.arrays["image"], base.transpose(0, 2, 1))


@pytest.mark.parametrize("what", ["labels", "mask"])
def test_truth_values_are_stored(what: str, tmp_path: Path) -> None:
    """A table that passes its checks can be saved and loaded: boolean labels, boolean masks."""
    flags = np.array([[True, False, True], [False, False, True]])
    schema = TableSchema({"mask": Modality("tabular", (3,), "bool")}, "multilabel", ("x", "y", "z"))
    if what == "labels":
        schema = TableSchema({"mask": Modality("tabular", (3,), "uint8")}, "multilabel", ("x", "y", "z"))
        table = MultimodalTable(schema, {"mask": flags.astype(np.uint8)}, flags, ["a", "b"])
    else:
        table = MultimodalTable(schema, {"mask": flags}, flags.astype(np.uint8), ["a", "b"])
    loaded = saved(table, tmp_path / "t").load()
    np.testing.assert_array_equal(loaded.labels, table.labels)
    np.testing.assert_array_equal(loaded.arrays["mask"], table.arrays["mask"])


def mapped_files(array: np.ndarray) -> list[str]:
    """The files that the kernel says lie at the array's address."""
    address = array.__array_interface__["data"][0]
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, name = line.split(maxsplit=5)
        low, high = (int(end, 16) for end in span.split("-"))
        if low <= address < high:
            found.append(name)
    return found


def test_loading_maps_the_file_and_copies_nothing(tmp_path: Path) -> None:
    rows = 4000
    schema = TableSchema({"audio": Modality("audio", (112, 112), "uint8")}, "multiclass", ("a", "b"))
    audio = np.random.default_rng(0).integers(0, 256, (rows, 112, 112), dtype=np.uint8)
    dataset = saved(
        MultimodalTable(schema, {"audio": audio}, np.arange(rows) % 2, np.arange(rows).astype(str)),
        tmp_path / "t.arrow",
    )
    dataset.load()
    held, start = pa.total_allocated_bytes(), time.perf_counter()
    loaded = dataset.load()
    seconds = time.perf_counter() - start
    array = loaded.arrays["audio"]
    assert not array.flags.owndata
    assert not array.flags.writeable
    assert pa.total_allocated_bytes() - held < 1e6, "Arrow has copied the 50 MB"
    assert seconds < 0.25, "50 MB opened too slowly to have been mapped"
    if sys.platform == "linux":
        assert mapped_files(array) == [str(tmp_path / "t.arrow")]
    np.testing.assert_array_equal(array[[0, 1999, 3999]], audio[[0, 1999, 3999]])
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1


def test_an_open_table_survives_the_next_save(tmp_path: Path) -> None:
    """The new file takes the name; the old one stays mapped under the arrays that were loaded from it."""
    path = tmp_path / "t.arrow"
    old = saved(small_table(seed=1), path).load()
    new = saved(small_table(seed=2), path).load()
    assert_same_table(old, small_table(seed=1))
    assert_same_table(new, small_table(seed=2))


def test_pyarrow_and_pandas_read_it(tmp_path: Path) -> None:
    table = small_table()
    saved(table, tmp_path / "t.arrow")
    with pa.memory_map(str(tmp_path / "t.arrow")) as source, pa.ipc.open_file(source) as file:
        assert file.num_record_batches == 1
        arrow = file.read_all()
    assert arrow.schema.names == ["id", "label", "modality.image", "modality.vector", "extra.origin"]
    assert arrow.column("id").to_pylist() == list(table.ids)
    tensor = arrow.column("modality.image").type
    assert (tensor.shape, tensor.value_type) == ([4, 5], pa.uint8())
    flat = np.array(arrow.column("modality.image").combine_chunks().storage.to_pylist())
    np.testing.assert_array_equal(flat, table.arrays["image"].reshape(6, 20))
    frame = arrow.select(["id", "label", "extra.origin"]).to_pandas()
    assert frame["label"].tolist() == [0, 1, 2, 0, 1, 2]


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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_loaded_table_can_be_let_go(tmp_path: Path) -> None:
    def resident() -> int:
        """MiB of mapped files."""
        (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile")]
        return int(line.split()[1]) >> 10

    pixels = np.random.default_rng(0).integers(0, 255, (64, 3, 512, 512), dtype=np.uint8)  # 48 MiB
    schema = TableSchema({"poster": Modality("image", (3, 512, 512), "uint8")}, "multiclass", ("a", "b"))
    table = saved(
        MultimodalTable(schema, {"poster": pixels}, np.arange(64) % 2, np.arange(64).astype(str)), tmp_path / "t.arrow"
    ).load()
    array, before = table.arrays["poster"], resident()
    assert array.sum() == pixels.sum()
    assert resident() > before + 40
    release(array)
    assert resident() < before + 8
    assert array.sum() == pixels.sum()
    release(array)
    seen = [array[rows].sum() for rows in chunks(array)]
    assert len(seen) > 1
    assert sum(seen) == pixels.sum()
    assert resident() < before + 8


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
