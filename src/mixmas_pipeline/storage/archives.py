"""Zip archives that are read without being unpacked."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path, PurePosixPath

from mixmas_pipeline.storage.errors import StorageError


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip file.

    Raises:
        StorageError: it is not a zip file, is truncated, or a member has an absolute path or climbs with "..".
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, struct.error) as error:
        raise StorageError(f"{path} is not a readable zip archive (truncated download?): {error}") from error
    try:
        for name in archive.namelist():
            refuse_outside(path, name)
    except StorageError:
        archive.close()
        raise
    return archive


def refuse_outside(archive: Path, name: str) -> None:
    """Refuse a member that would be written outside the folder it is unpacked in.

    Raises:
        StorageError: the member has an absolute path or climbs with "..".
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or any(":" in part for part in parts.parts[:1]):
        raise StorageError(f"{archive} holds the member {name!r}, which points outside the archive; refused")
