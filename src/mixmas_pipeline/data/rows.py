"""Files of new rows that the user wants predicted."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable, TableSchema

# Keys of a file of arrays that are not modalities.
IDS, LABELS, PRESENT = "ids", "labels", "present."
_LARGE, _MOST_TIMES = 1 << 30, 200  # bytes of an array that may be packed as tightly as it likes; of a larger one


def read_rows(path: Path, schema: TableSchema) -> MultimodalTable:
    """Read rows of the kind that ``schema`` describes.

    Args:
        path: an ``.arrow`` file of a ``MultimodalTable``; or a ``.npz`` or ``.safetensors`` file of one array per
            modality, (n, *shape) in the stored type, and optionally ``ids`` (n; by default the rows are numbered from
            0), ``labels`` (as in a ``MultimodalTable``) and, for optional modalities, ``present.{modality}`` (n truth
            values). An optional modality without an array is missing in every row.
        schema: of the data that the model was trained on.

    Raises:
        ValueError: the file cannot be read, or rows do not fit; the message names file, column and row, the actual
            and the expected value.
    """
    readers = {".arrow": _read_arrow, ".npz": _read_arrays, ".safetensors": _read_arrays}
    if path.suffix not in readers:
        raise ValueError(f"{path}: expected a file of rows ending in {', '.join(readers)}")
    try:
        table = readers[path.suffix](path, schema)
        table.check()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return table


def _read_arrow(path: Path, schema: TableSchema) -> MultimodalTable:
    from mixmas_pipeline.data.arrow import read_table

    table = read_table(path, foreign=True)
    actual = table.schema
    if unknown := sorted(set(actual.modalities) - set(schema.modalities)):
        raise ValueError(f"unknown modality {unknown[0]!r}; expected {', '.join(schema.modalities)}")
    for name, modality in actual.modalities.items():
        for what in ("shape", "dtype", "scale", "offset", "unit", "padded"):
            ours, theirs = getattr(modality, what), getattr(schema.modalities[name], what)
            if ours != theirs:
                raise ValueError(f"column {name!r} has the {what} {ours!r}; expected {theirs!r}")
    if table.labelled and (actual.task, actual.classes) != (schema.task, schema.classes):
        expected = f"{schema.task}, {list(schema.classes)}"
        raise ValueError(f"labels are of a {actual.task} task of {list(actual.classes)}; expected {expected}")
    labels = table.labels if table.labelled else None
    return _assemble(schema, table.arrays, labels, table.ids, table.extra, table.present)


def _read_arrays(path: Path, schema: TableSchema) -> MultimodalTable:
    columns = load_arrays(path)
    known = {IDS, LABELS, *schema.modalities, *(f"{PRESENT}{name}" for name in schema.modalities)}
    if unknown := sorted(set(columns) - known):
        optional = [f"{PRESENT}{name}" for name, modality in schema.modalities.items() if modality.optional]
        expected = [*schema.modalities, IDS, LABELS, *optional]
        raise ValueError(f"unknown array {unknown[0]!r}; expected {', '.join(expected)}")
    arrays = {name: columns[name] for name in schema.modalities if name in columns}
    if not arrays:
        raise ValueError(f"the file has no modality; expected {', '.join(schema.modalities)}")
    count = len(next(iter(arrays.values())))
    present = {name: columns[f"{PRESENT}{name}"] for name in schema.modalities if f"{PRESENT}{name}" in columns}
    ids = np.asarray(columns.get(IDS, np.arange(count))).astype(str)
    return _assemble(schema, arrays, columns.get(LABELS), ids, {}, present)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz or .safetensors file. Nothing is unpickled.

    Raises:
        ValueError: it is not a complete file of that kind, or an array holds Python objects, or is unpacked to far more
            than the file has.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"it is not a complete .safetensors file ({error})") from error
        except TypeError as error:
            raise ValueError(f"it has numbers of a type that numpy has not ({error}); save them as float32") from error
    try:
        opened = _opened(path)
        if isinstance(opened, np.ndarray):
            raise ValueError("it is a single array; expected an archive of named ones, as numpy.savez writes")
        with opened as archive:
            return {name: _plain(archive, name) for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:  # RuntimeError: a password
        raise ValueError(f"it is not a complete .npz file ({error})") from error


def _opened(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except ValueError as error:  # numpy advises to unpickle what is no array
        raise ValueError("it is no archive of arrays, as numpy.savez writes") from error


def _plain(archive: Any, name: str) -> np.ndarray:
    """An array of an archive, after its size has been looked at: a few kB may stand for any number of zeros."""
    member = next(m for m in archive.zip.infolist() if m.filename.removesuffix(".npy") == name)
    times = member.file_size // max(1, member.compress_size)
    if member.file_size > _LARGE and times > _MOST_TIMES:
        raise ValueError(
            f"array {name!r} would take {member.file_size / 2**30:.1f} GiB, {times} "
            f"times its size in the file; expected at most {_MOST_TIMES} times"
        )
    try:
        with archive.zip.open(member) as stream:
            shape, _, dtype = _header(stream)
    except (EOFError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"{name!r} is no array, or has a damaged header ({error})") from error
    if dtype.hasobject:
        raise ValueError(f"array {name!r} holds Python objects; expected plain values (texts: .astype(str))")
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise ValueError(f"array {name!r} is cut off: its header announces the shape {shape} of {dtype}")
    return np.atleast_1d(archive[name])


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type of a .npy file."""
    if np.lib.format.read_magic(stream) == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


def _assemble(
    schema: TableSchema,
    arrays: Mapping[str, np.ndarray],
    labels: np.ndarray | None,
    ids: np.ndarray,
    extra: Mapping[str, np.ndarray],
    present: Mapping[str, np.ndarray],
) -> MultimodalTable:
    """A table of exactly the schema; modalities that are missing from every row are filled with zeros."""
    filled, known = dict(arrays), dict(present)
    for name, modality in schema.modalities.items():
        if not modality.optional and not known.pop(name, np.ones(1)).all():
            raise ValueError(f"modality {name!r} is missing in some rows; every row of the training data has it")
        if name not in filled:
            if not modality.optional:
                raise ValueError(f"modality {name!r} is missing; expected {modality.dtype} (rows, *{modality.shape})")
            if known.setdefault(name, np.zeros(len(ids), bool)).any():
                raise ValueError(f"modality {name!r} has no array, and is marked as present")
            filled[name] = np.zeros((len(ids), *modality.shape), modality.dtype)
    return MultimodalTable(schema, filled, labels, ids, extra, present=known, check=False)
