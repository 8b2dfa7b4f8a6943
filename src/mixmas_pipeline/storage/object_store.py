"""Artefacts in an object store.

A store replaces one object as a whole, so an uploaded file is complete. It cannot rename, so a folder is complete once
an object ``<folder>.complete`` exists, which is uploaded last and lists the folder's files.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.storage.errors import StorageError
from mixmas_pipeline.storage.paths import file_system, marker, remove

if TYPE_CHECKING:
    from upath import UPath


def object_keys(path: UPath) -> dict[str, str] | None:
    """What identifies the content of a complete artefact without reading it.

    Returns:
        Relative name of each file ("" for a single file) -> a key made of ETag, size and time. None if the artefact
        does not exist or is not complete.

    Raises:
        OSError, or what else the store's package raises: the store cannot be reached.
    """
    fs = file_system(path)
    with contextlib.suppress(FileNotFoundError):
        if fs.info(path.path)["type"] == "file":
            return {"": str(fs.ukey(path.path))}
    try:
        names = json.loads(fs.cat_file(marker(path).path))
        return {name: str(fs.ukey((path / name).path)) for name in names}
    except FileNotFoundError:
        return None


def complete_versions(path: UPath) -> list[str]:
    """Every complete version ``<path>/<version>/<name>`` as a URL, newest first."""
    fs = file_system(path)
    start = len(fs._strip_protocol(path.path)) + 1
    ends = {path.name, marker(path).name}
    try:
        parts = [key[start:].split("/") for key in fs.find(path.path)]
    except FileNotFoundError:
        return []
    return sorted({str(path / p[0] / path.name) for p in parts if len(p) == 2 and p[1] in ends}, reverse=True)


def upload(written: Path, target: UPath) -> None:
    """Upload a file or folder of this machine. A folder is complete only once all of its files are uploaded.

    Raises:
        StorageError: the bucket does not exist.
    """
    try:
        if written.is_file():
            file_system(target).put_file(str(written), target.path)
        else:
            _upload_folder(written, target)
    except FileNotFoundError as error:
        raise StorageError(f"{target} cannot be written; is there such a bucket? {error}") from error


def _upload_folder(written: Path, target: UPath) -> None:
    fs = file_system(target)
    names = sorted(file.relative_to(written).as_posix() for file in written.rglob("*") if file.is_file())
    remove(target)
    try:
        for name in names:
            fs.put_file(str(written / name), (target / name).path)
        fs.pipe_file(marker(target).path, json.dumps(names).encode())
    except BaseException:
        with contextlib.suppress(Exception):  # the store may be out of reach; without its marker the folder is nothing
            remove(target)
        raise
