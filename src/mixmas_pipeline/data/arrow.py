"""The file of an aligned table: one Arrow IPC file of one record batch, memory-mapped when it is read."""

from __future__ import annotations

import io
import math
import mmap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from mixmas_pipeline.data.table import MultimodalTable, TableSchema
from mixmas_pipeline.storage.memory_maps import CHUNK_BYTES, release

METADATA_KEY = b"mixmas.schema"


def write_table(data: MultimodalTable, path: Path) -> None:
    """Write a table to a path that does not exist yet. Only a chunk of it is in memory at a time."""
    columns: dict[str, pa.Array] = {"id": pa.array(data.ids.astype(str))}
    if data.labelled:
        columns["label"] = _to_arrow(data.labels)
    columns.update({f"modality.{name}": _to_arrow(data.arrays[name]) for name in data.schema.modalities})
    columns.update({f"present.{name}": _to_arrow(column) for name, column in data.present.items()})
    columns.update({f"variants.{name}": _to_arrow(array) for name, array in data.variants.items()})
    columns.update({f"extra.{name}": _to_arrow(column) for name, column in data.extra.items()})
    batch = pa.record_batch(columns)
    schema = batch.schema.with_metadata({METADATA_KEY: data.schema.to_json()})
    # Arrow writes columns of over 2^31 numbers (5,462 texts of 512 tokens of width 768) only when asked to.
    options = pa.ipc.IpcWriteOptions(allow_64bit=True)
    with (
        path.open("wb") as file,
        pa.PythonFile(_Sink(file, data)) as sink,
        pa.ipc.new_file(sink, schema, options=options) as writer,
    ):
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))


def read_table(path: Path, *, foreign: bool = False) -> MultimodalTable:
    """Read what ``write_table`` wrote. Arrays are memory-mapped and read-only.

    Args:
        foreign: the file comes from elsewhere: check every offset in it before it is followed. Default false.

    Raises:
        ValueError: the Arrow file was not written by ``write_table``, or is damaged.
    """
    try:
        return _read_table(path, foreign)
    except (AttributeError, IndexError, KeyError, MemoryError, TypeError) as error:
        if not foreign:
            raise
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} is damaged: its schema and its columns do not belong together ({why})") from error


def _read_table(path: Path, foreign: bool) -> MultimodalTable:
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    batch = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapping))).get_batch(0)
    if foreign:
        batch.validate(full=True)
    if METADATA_KEY not in (batch.schema.metadata or {}):
        raise ValueError(f"{path} is an Arrow file without the multimodal schema; it was not written here")
    schema = TableSchema.from_json(batch.schema.metadata[METADATA_KEY])
    extra = {
        name.removeprefix("extra."): _from_arrow(batch.column(name), mapping)
        for name in batch.schema.names
        if name.startswith("extra.")
    }
    arrays = {name: _from_arrow(batch.column(f"modality.{name}"), mapping) for name in schema.modalities}
    names = batch.schema.names
    variants = {
        name: _from_arrow(batch.column(f"variants.{name}"), mapping).view(modality.dtype)
        for name, modality in schema.modalities.items()
        if f"variants.{name}" in names
    }
    optional = [name for name, modality in schema.modalities.items() if modality.optional]
    return MultimodalTable(
        schema,
        {name: array.view(schema.modalities[name].dtype) for name, array in arrays.items()},
        _from_arrow(batch.column("label"), mapping) if "label" in batch.schema.names else None,
        batch.column("id").to_numpy(zero_copy_only=False),
        extra,
        present={name: _from_arrow(batch.column(f"present.{name}"), mapping) for name in optional},
        variants=variants,
        check=False,
    )


class _Sink(io.RawIOBase):
    """Writes a table's columns in chunks, and releases the memory of columns that are mapped from files: they may be
    larger than memory."""

    def __init__(self, file: BinaryIO, table: MultimodalTable) -> None:
        self._file, self._table = file, table

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), CHUNK_BYTES):
            self._file.write(view[start : start + CHUNK_BYTES])
            if len(view) > CHUNK_BYTES:
                release(*self._table.arrays.values(), *self._table.variants.values())
        return len(view)


def _to_arrow(array: np.ndarray) -> pa.Array:
    if array.ndim == 1:
        return pa.array(array)
    stored = array.view(np.uint8) if array.dtype == bool else array  # Arrow packs booleans into bits
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(stored))


def _from_arrow(column: pa.Array, mapping: mmap.mmap) -> np.ndarray:
    if not isinstance(column, pa.FixedShapeTensorArray):
        return column.to_numpy(zero_copy_only=False)
    # The same memory as column.to_numpy_ndarray(), but with the mapping as its base, so that it can be released.
    dtype = column.type.value_type.to_pandas_dtype()
    offset = column.storage.flatten().buffers()[1].address - pa.py_buffer(mapping).address
    count = math.prod(shape := (len(column), *column.type.shape))
    return np.frombuffer(mapping, dtype, count, offset).reshape(shape)
