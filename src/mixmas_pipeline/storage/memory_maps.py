"""Arrays larger than memory: filled row by row in a file, saved as ``.npy``, memory-mapped when loaded."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from mixmas_pipeline.storage.cache import local_folder
from mixmas_pipeline.storage.paths import as_path

CHUNK_BYTES = 1 << 25


class RowFile:
    """An array that is written row by row into a file without a name, which vanishes once nothing refers to it.

    Args:
        folder: its disk holds the file; for a folder of an object store, this machine's folder of copies does.
        shape: of one row.
        dtype: of the rows.
    """

    def __init__(self, folder: str | Path, shape: tuple[int, ...], dtype: Any) -> None:
        on_disk = local_folder(as_path(folder))
        on_disk.mkdir(parents=True, exist_ok=True)
        self._file: Any = tempfile.TemporaryFile(dir=on_disk)  # noqa: SIM115
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: np.ndarray) -> None:
        """Add (n, *shape) rows.

        Raises:
            ValueError: they have another shape.
        """
        if rows.shape[1:] != self._shape:
            raise ValueError(f"rows of shape {rows.shape[1:]}; expected {self._shape}")
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).data)
        self._rows += len(rows)

    def array(self) -> np.ndarray:
        """All rows so far, (n, *shape), mapped from the file and read-only."""
        if not self._rows:
            return np.zeros((0, *self._shape), self._dtype)
        self._file.flush()
        return np.memmap(self._file, dtype=self._dtype, mode="r", shape=(self._rows, *self._shape))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()  # a mapping keeps the content alive


def release(*arrays: np.ndarray) -> None:
    """Release the memory that holds pages of mapped files. Their content stays in the files; other arrays keep theirs.
    Call it between chunks: otherwise a pass over a mapped array takes as much memory as the array has.
    """
    for array in arrays:
        base: Any = array
        while isinstance(base, np.ndarray | memoryview):
            base = base.base if isinstance(base, np.ndarray) else base.obj
        if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)


def write_array(data: np.ndarray, path: Path) -> None:
    """Write a ``.npy`` file. Only a chunk of the array is in memory at a time.

    Raises:
        ValueError: the array holds Python objects.
    """
    if data.dtype.hasobject:
        raise ValueError(f"an array of {data.dtype} holds Python objects; expected plain values (texts: .astype(str))")
    with path.open("wb") as sink:
        header = np.lib.format.header_data_from_array_1_0(np.empty((0, *data.shape[1:]), data.dtype))
        np.lib.format.write_array_header_2_0(sink, {**header, "shape": data.shape})
        copy_in_chunks(data, sink)


def copy_in_chunks(data: np.ndarray, sink: BinaryIO) -> None:
    """Write an array's bytes (rows first). Only a chunk is in memory at a time."""
    step = max(1, CHUNK_BYTES // max(1, data[:1].nbytes))
    for start in range(0, len(data), step):
        sink.write(np.ascontiguousarray(data[start : start + step]).data)
        release(data)
