"""Local copies of files in object stores: they are fetched once and can be mapped into memory."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.storage.object_store import object_keys
from mixmas_pipeline.storage.paths import file_system, flush, remove, subfolders

if TYPE_CHECKING:
    from upath import UPath

    from mixmas_pipeline.storage.paths import AnyPath

CACHE_VARIABLE = "MIXMAS_CACHE"


def cache_folder() -> Path:
    """The folder of all copies: ``MIXMAS_CACHE``, by default ``~/.cache/mixmas_pipeline``. It may be deleted whenever
    nothing is running.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mixmas_pipeline"


def local_copy(path: AnyPath) -> Path:
    """The file or folder on this machine: itself, or a copy of a store's, fetched if there is no current one.

    Raises:
        FileNotFoundError: it does not exist, or is not complete.
    """
    if isinstance(path, Path):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        return path
    from filelock import FileLock

    folder = cache_of(path)
    with FileLock(folder / ".lock"):  # one process fetches, the others wait for it
        keys = object_keys(path)
        if keys is None:
            raise FileNotFoundError(f"{path} does not exist")
        copy = folder / _name(keys) / path.name
        if not copy.exists():
            partial = folder / f".{uuid.uuid4().hex}.partial"
            try:
                for name in keys:
                    file = partial / path.name / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file_system(path).get_file((path / name).path if name else path.path, str(file))
                keep_copy(partial, path, keys)
            finally:
                remove(partial)
        return copy


def local_folder(path: AnyPath) -> Path:
    """A folder of this machine for temporary files of ``path``: itself, or the folder of its copies."""
    return path if isinstance(path, Path) else cache_of(path)


def cache_of(path: UPath) -> Path:
    """The folder of the copies of one path of a store."""
    folder = cache_folder() / hashlib.blake2b(str(path).encode(), digest_size=16).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep_copy(partial: Path, path: UPath, keys: dict[str, str]) -> None:
    """Make a complete folder ``partial`` the current copy of ``path``, and drop older copies."""
    flush(partial)
    folder = cache_of(path)
    try:
        partial.replace(folder / _name(keys))
    except OSError:
        if not (folder / _name(keys)).exists():  # another process may have been first
            raise
    for other in subfolders(folder):
        if not other.name.startswith(".") and other.name != _name(keys):
            remove(other)


def _name(keys: dict[str, str]) -> str:
    return hashlib.blake2b(json.dumps(keys, sort_keys=True).encode(), digest_size=16).hexdigest()
