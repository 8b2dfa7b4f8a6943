"""New rows, to be predicted: files of the user's own."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import numpy as np
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from mixmas_pipeline.data.table import MultimodalTable, TableSchema
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.storage.downloads import fetch
from mixmas_pipeline.storage.paths import cache_folder, hash_path, is_whole, local, place

# Keys of a file of arrays that are no modalities.
IDS, LABELS, PRESENT = "ids", "labels", "present."
_WEB = ("http://", "https://")


class NamedFileDataset(AbstractDataset[None, Path]):
    """A file or folder of the user's own that a parameter names. It loads as its path on this machine, and is never
    written.

    Args:
        filepath: a path; or of a file the URL of an object store, or one of the web, which is fetched once (from
            ``MIXMAS_MIRROR``, where that is set).
        key: of the parameter, for messages.
    """

    def __init__(self, *, filepath: str, key: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath = filepath if "://" in filepath else str(Path(filepath).absolute())
        self._key = key

    def load(self) -> Path:
        if self._filepath.startswith(_WEB):
            name = PurePosixPath(urlparse(self._filepath).path).name
            folder = cache_folder() / hashlib.blake2b(self._filepath.encode(), digest_size=16).hexdigest()
            return fetch(folder / name, mirror=name, url=self._filepath, sha256=None)
        if not self._exists():
            raise DatasetError(f"{self._filepath} does not exist; {self._key} names it")
        return local(place(self._filepath))

    def fingerprint(self) -> str:
        """A hash of its content."""
        return hash_path(self.load())

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is the user's own; it is only read")

    def _exists(self) -> bool:
        return self._filepath.startswith(_WEB) or is_whole(place(self._filepath))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}

    def preview(self) -> TablePreview:
        """What is in it, without reading more than is shown."""
        from mixmas_pipeline.datasets.contents import contents

        return contents(self.load())


class RowsFileDataset(NamedFileDataset):
    """A file of rows to be predicted.

    Args:
        filepath: as above; None where none is named.
        key: as above.
    """

    def __init__(self, *, filepath: str | None, key: str, metadata: dict[str, Any] | None = None) -> None:
        self._named = filepath is not None
        super().__init__(filepath=filepath or "", key=key, metadata=metadata)

    def load(self) -> Path:
        if not self._named:
            raise DatasetError(f"no file of rows is named; name one with --params={self._key}=PATH")
        return super().load()

    def _exists(self) -> bool:
        return self._named and super()._exists()


def read_rows(path: Path, schema: TableSchema) -> MultimodalTable:
    """Rows of the kind that ``schema`` describes.

    Args:
        path: an ``.arrow`` file that a ``TableDataset`` wrote; or a ``.npz`` or ``.safetensors`` file of one array a
            modality, (n, *shape) in the stored type, and, if wanted, ``ids`` (n; else the rows are numbered from 0),
            ``labels`` (as in a ``MultimodalTable``) and, of optional modalities, ``present.{modality}`` (n truth
            values). An optional modality that is not there is missing in every row.
        schema: of the data that the model was trained on.

    Raises:
        DatasetError: the file cannot be read, or rows do not fit; the message names file, column and row, what was
            found and what was expected.
    """
    readers = {".arrow": _read_arrow, ".npz": _read_arrays, ".safetensors": _read_arrays}
    if path.suffix not in readers:
        raise DatasetError(f"{path}: expected a file of rows ending in {', '.join(readers)}")
    try:
        table = readers[path.suffix](path, schema)
        table.check()
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error
    return table


def _read_arrow(path: Path, schema: TableSchema) -> MultimodalTable:
    table: MultimodalTable = TableDataset(filepath=str(path)).load()
    found = table.schema
    if unknown := sorted(set(found.modalities) - set(schema.modalities)):
        raise ValueError(f"unknown modality {unknown[0]!r}; expected {', '.join(schema.modalities)}")
    for name, modality in found.modalities.items():
        for what in ("shape", "dtype", "scale", "offset", "unit", "padded"):
            ours, theirs = getattr(modality, what), getattr(schema.modalities[name], what)
            if ours != theirs:
                raise ValueError(f"column {name!r} has the {what} {ours!r}; expected {theirs!r}")
    if table.labelled and (found.task, found.classes) != (schema.task, schema.classes):
        expected = f"{schema.task}, {list(schema.classes)}"
        raise ValueError(f"labels are of a {found.task} task of {list(found.classes)}; expected {expected}")
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
        raise ValueError(f"no modality is there; expected {', '.join(schema.modalities)}")
    count = len(next(iter(arrays.values())))
    present = {name: columns[f"{PRESENT}{name}"] for name in schema.modalities if f"{PRESENT}{name}" in columns}
    ids = np.asarray(columns.get(IDS, np.arange(count))).astype(str)
    return _assemble(schema, arrays, columns.get(LABELS), ids, {}, present)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz or .safetensors file. Nothing is unpickled.

    Raises:
        ValueError: it is no whole file of that kind, or an array holds Python objects.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"it is no whole .safetensors file ({error})") from error
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: _plain(archive, name) for name in archive.files}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(f"it is no whole .npz file ({error})") from error


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
    filled, there = dict(arrays), dict(present)
    for name, modality in schema.modalities.items():
        if not modality.optional and not there.pop(name, np.ones(1)).all():
            raise ValueError(f"modality {name!r} is missing in some rows; every row of the training data has it")
        if name not in filled:
            if not modality.optional:
                raise ValueError(f"modality {name!r} is missing; expected {modality.dtype} (rows, *{modality.shape})")
            if there.setdefault(name, np.zeros(len(ids), bool)).any():
                raise ValueError(f"modality {name!r} is said to be present, and there is no array of it")
            filled[name] = np.zeros((len(ids), *modality.shape), modality.dtype)
    return MultimodalTable(schema, filled, labels, ids, extra, present=there, check=False)
