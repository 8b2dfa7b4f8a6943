"""What makes a save atomic: a file or folder appears under its name only once all of it is written.

On a disk it is written under a temporary name in the same folder, flushed, and renamed; a rename is atomic. For an
object store it is written on this machine and then uploaded, see ``object_store``.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.storage.cache import cache_of, keep_copy
from mixmas_pipeline.storage.object_store import object_keys, upload
from mixmas_pipeline.storage.paths import flush, remove

if TYPE_CHECKING:
    from upath import UPath

    from mixmas_pipeline.storage.paths import AnyPath


def is_complete(path: AnyPath) -> bool:
    """Whether a file or folder exists that was written to its end."""
    return path.exists() if isinstance(path, Path) else object_keys(path) is not None


def write_atomically(path: AnyPath, write: Callable[[Path], Any]) -> None:
    """Write a file or folder so that a kill or an error leaves the earlier one, or nothing.

    Args:
        path: what to write. An existing file is replaced in one step, an existing folder in two.
        write: receives a path of this machine that does not exist yet, and makes the file or folder there.

    Raises:
        StorageError: the bucket does not exist.
        OSError: the disk is full, or the folder may not be written to.
    """
    if isinstance(path, Path):
        _write_local(path, write)
    else:
        _write_remote(path, write)


def _write_local(final: Path, write: Callable[[Path], Any]) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.{uuid.uuid4().hex}.partial")
    try:
        write(partial)
        flush(partial)
        if final.is_dir():  # only without versions
            old = final.with_name(f".{final.name}.{uuid.uuid4().hex}.old")
            final.replace(old)
            partial.replace(final)
            remove(old)
        else:
            partial.replace(final)
    except BaseException:
        with contextlib.suppress(OSError):
            remove(partial)
            if not any(final.parent.iterdir()):
                final.parent.rmdir()
        raise


def _write_remote(final: UPath, write: Callable[[Path], Any]) -> None:
    """What was uploaded is kept as the copy that is read."""
    partial = cache_of(final) / f".{uuid.uuid4().hex}.partial"
    partial.mkdir()
    written = partial / final.name
    try:
        write(written)
        upload(written, final)
        if (keys := object_keys(final)) is not None:
            keep_copy(partial, final, keys)
    finally:
        remove(partial)
