"""Paths of this machine and of object stores (``s3://bucket/prefix``), and what can be done with both.

A path of this machine is a plain ``pathlib.Path``, and nothing of fsspec is touched for it. A path in a store is a
``UPath``. No listing of a store is remembered, so that other processes' versions are seen.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.storage.errors import StorageError

if TYPE_CHECKING:
    from upath import UPath

    AnyPath = Path | UPath

_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")  # they replace an object as a whole
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/\"']*@)?([^\s\"'?#]*)(?:[?#][^\s\"']*)?", re.IGNORECASE)
_LOCAL = ("file://", "local://")


def as_path(url: str | Path) -> AnyPath:
    """A path of this machine as a ``Path``, any other URL as a ``UPath``.

    Raises:
        StorageError: the URL's file system is not an object store, or the package that reads it is not installed.
    """
    text = str(url)
    protocol, separator, rest = text.partition("://")
    if not separator:
        return Path(url)
    if text.startswith(_LOCAL):
        return Path(rest)
    if protocol not in _STORES:
        raise StorageError(
            f"{text}: {protocol}:// is not known to replace a file as a whole; expected one of {', '.join(_STORES)}. "
            "Mount it on every machine and give the path"
        )
    from fsspec import get_filesystem_class
    from upath import UPath

    try:
        get_filesystem_class(protocol)
    except ImportError as error:
        raise StorageError(f"{text}: the package that reads {protocol}:// is not installed: {error}") from error
    return UPath(text)


def without_secrets(text: str) -> str:
    """A text with its addresses cut to what may be shown: without user, password, query and fragment. A signed address
    has its secret in the query."""
    return _ADDRESS.sub(r"\1\2", text)


def is_remote(path: AnyPath) -> bool:
    """Whether the path lies in an object store."""
    return not isinstance(path, Path)


def file_system(path: UPath) -> Any:
    """The path's fsspec file system, without remembered listings. It belongs to this process: a path that holds a file
    system may come from before a fork.
    """
    from fsspec import filesystem

    fs = filesystem(path.protocol, **path.storage_options)
    fs.invalidate_cache()
    return fs


def marker(path: UPath) -> UPath:
    """The object that makes a folder of a store complete; it lists the folder's files."""
    return path.with_name(f"{path.name}.complete")


def read_bytes(path: AnyPath) -> bytes:
    """Content of a small file.

    Raises:
        FileNotFoundError: it does not exist.
    """
    return path.read_bytes() if isinstance(path, Path) else file_system(path).cat_file(path.path)


def remove(path: AnyPath) -> None:
    """Remove a file, or a folder with all its files, if it exists."""
    if isinstance(path, Path):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        return
    fs = file_system(path)
    for target in (marker(path), path):  # without its marker a folder is no longer complete
        with contextlib.suppress(FileNotFoundError):
            fs.rm(target.path, recursive=True)


def subfolders(path: AnyPath) -> list[AnyPath]:
    """The folders in a folder; none if it does not exist."""
    if isinstance(path, Path):
        return [entry for entry in path.iterdir() if entry.is_dir()] if path.exists() else []
    try:
        entries = file_system(path).ls(path.path, detail=True)
    except FileNotFoundError:
        return []
    return [path / Path(entry["name"]).name for entry in entries if entry["type"] == "directory"]


def flush(written: Path) -> None:
    """Wait until the bytes of a file, or of all files of a folder, are on the disk: a rename must not outlive them."""
    for file in [written] if written.is_file() else sorted(written.rglob("*")):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
