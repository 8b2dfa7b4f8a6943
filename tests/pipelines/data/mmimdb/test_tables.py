"""Tables that are larger than memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.storage.memory_maps import RowFile, release

# --- size ---------------------------------------------------------------------------------------------------------
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

    monkeypatch.setattr(MultimodalTable, "check", lambda self: None)  # would look at each of the zeros
    monkeypatch.setattr("mixmas_pipeline.data.arrow._Sink.write", count)
    monkeypatch.setattr("mixmas_pipeline.data.arrow._Sink.tell", lambda sink: written)
    TableDataset(filepath="unused")._write(tmp_path / "t.arrow", table)
    assert written > text.nbytes


def test_release_leaves_the_values(tmp_path: Path) -> None:
    with RowFile(tmp_path, (4,), np.float32) as rows:
        rows.append(np.arange(4000, dtype=np.float32).reshape(1000, 4))
        mapped = rows.array()
    view = mapped[10:20, 1:]
    plain = np.arange(5)
    release(mapped, view, plain)
    np.testing.assert_array_equal(view, np.arange(4000, dtype=np.float32).reshape(1000, 4)[10:20, 1:])
    np.testing.assert_array_equal(plain, np.arange(5))
