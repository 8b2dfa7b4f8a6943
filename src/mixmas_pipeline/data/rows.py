"""Files of new rows that the user wants predicted."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable, TableSchema

# Keys of a file of arrays that are not modalities.
IDS, LABELS, PRESENT = "ids", "labels", "present."


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

    table = read_table(path)
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
        ValueError: it is not a complete file of that kind, or an array holds Python objects.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"it is not a complete .safetensors file ({error})") from error
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: _plain(archive, name) for name in archive.files}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(f"it is not a complete .npz file ({error})") from error


def _plain(archive: Any, name: str) -> np.ndarray:
    try:
        return np.atleast_1d(archive[name])
    except ValueError as error:
        raise ValueError(f"array {name!r} holds Python objects; expected plain values (texts: .astype(str))") from error


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
