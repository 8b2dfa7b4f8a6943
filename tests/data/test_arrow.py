"""A table's Arrow file: whole when read back, memory-mapped, and plain Arrow for other programs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from artefact_samples import assert_same_table, small_table

from mixmas_pipeline.data.arrow import read_table, write_table
from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema, chunks
from mixmas_pipeline.storage.memory_maps import release


def stored(table: MultimodalTable, path: Path) -> MultimodalTable:
    """The table as it is read back from a file."""
    write_table(table, path)
    return read_table(path)


def test_round_trip_of_one_row(tmp_path: Path) -> None:
    assert_same_table(stored(small_table(1), tmp_path / "t"), small_table(1))


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
    loaded = stored(view, tmp_path / "t")
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
    loaded = stored(table, tmp_path / "t")
    np.testing.assert_array_equal(loaded.labels, table.labels)
    np.testing.assert_array_equal(loaded.arrays["mask"], table.arrays["mask"])


def test_variants_are_stored(tmp_path: Path) -> None:
    table = small_table(7)
    table.variants["vector"] = np.random.default_rng(1).normal(size=(7, 4, 3)).astype(np.float32)
    loaded = stored(table, tmp_path / "t")
    assert_same_table(loaded, small_table(7))
    assert list(loaded.variants) == ["vector"]
    np.testing.assert_array_equal(loaded.variants["vector"], table.variants["vector"])


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
    table = MultimodalTable(schema, {"audio": audio}, np.arange(rows) % 2, np.arange(rows).astype(str))
    stored(table, tmp_path / "t.arrow")
    held, start = pa.total_allocated_bytes(), time.perf_counter()
    loaded = read_table(tmp_path / "t.arrow")
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


def test_pyarrow_and_pandas_read_it(tmp_path: Path) -> None:
    table = small_table()
    write_table(table, tmp_path / "t.arrow")
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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_loaded_table_can_be_let_go(tmp_path: Path) -> None:
    def resident() -> int:
        """MiB of mapped files."""
        (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile")]
        return int(line.split()[1]) >> 10

    pixels = np.random.default_rng(0).integers(0, 255, (64, 3, 512, 512), dtype=np.uint8)  # 48 MiB
    schema = TableSchema({"poster": Modality("image", (3, 512, 512), "uint8")}, "multiclass", ("a", "b"))
    table = stored(
        MultimodalTable(schema, {"poster": pixels}, np.arange(64) % 2, np.arange(64).astype(str)), tmp_path / "t.arrow"
    )
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


_MEASURED = """
import re, sys
from pathlib import Path
import numpy as np
from mixmas_pipeline.storage.memory_maps import RowFile
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.data.table import TableSchema
def resident():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
rows, folder = 1200, Path(sys.argv[1])
chunk = np.ones((100, 128, 1024), np.float16)
with RowFile(folder, chunk.shape[1:], np.float16) as file:
    for _ in range(rows // 100):
        file.append(chunk)
    text = file.array()
schema = TableSchema({"text": Modality("text", text.shape[1:], "float16", padded=True)}, "multiclass", ("a", "b"))
labels = np.arange(rows) % 2
table = MultimodalTable(schema, {"text": text}, labels, [str(i) for i in range(rows)], check=False)
dataset = TableDataset(filepath=str(folder / "table.arrow"))
before = resident()
dataset.save(table)
dataset.load().check()
print(resident() - before, text.nbytes / 2**20)
"""


def test_saving_and_checking_a_mapped_table_takes_little_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    grown, size = map(float, done.stdout.split())
    assert size == 300
    assert grown < 160, "megabytes"


def test_columns_of_over_two_thousand_million_numbers_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the text of 5,462 films and more. Zeros are a hole in a file and are not written, so this costs nothing."""
    rows, shape = 2**31 // (512 * 768) + 2, (512, 768)
    with (tmp_path / "sparse").open("w+b") as file:
        file.truncate(rows * int(np.prod(shape)) * 2)
        text = np.memmap(file, np.float16, "r", shape=(rows, *shape))
    assert text.size > 2**31 - 1
    schema = TableSchema({"text": Modality("text", shape, "float16")}, "multiclass", ("a", "b"))
    table = MultimodalTable(schema, {"text": text}, np.arange(rows) % 2, np.arange(rows).astype(str), check=False)
    written = 0

    def count(sink: Any, data: Any) -> int:
        nonlocal written
        written += len(memoryview(data))
        return len(memoryview(data))

    monkeypatch.setattr("mixmas_pipeline.data.arrow._Sink.write", count)
    monkeypatch.setattr("mixmas_pipeline.data.arrow._Sink.tell", lambda sink: written)
    write_table(table, tmp_path / "t.arrow")
    assert written > text.nbytes


@pytest.mark.parametrize(
    ("word", "other"), [(b'"modalities"', b'"mOdalities"'), (b"modality.vector", b"modality.vectOr")]
)
def test_a_file_from_elsewhere_whose_schema_is_damaged_is_refused(word: bytes, other: bytes, tmp_path: Path) -> None:
    write_table(small_table(3), tmp_path / "t")
    content = (tmp_path / "t").read_bytes()
    assert word in content
    (tmp_path / "t").write_bytes(content.replace(word, other))
    with pytest.raises(ValueError, match="is damaged: its schema and its columns do not belong together"):
        read_table(tmp_path / "t", foreign=True)
