"""A hash of the content of files and folders."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.storage.cache import local_copy

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath

_CHUNK = 1 << 22
_SETTLED_NS = 3_000_000_000
_hashes: dict[Path, tuple[list[tuple[str, int, int, int]], str]] = {}  # path -> names, sizes and times; hash


def hash_path(path: AnyPath) -> str:
    """blake2b of a file, or of a folder's file names and contents. A process reads each path once, unless a file's
    name, size or times change.
    """
    path = local_copy(path).absolute()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    now, stats = time.time_ns(), [(str(file), file.stat()) for file in files]
    state = [(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in stats]
    if (earlier := _hashes.get(path)) is not None and earlier[0] == state:
        return earlier[1]
    digest = hashlib.blake2b(digest_size=20)
    for file in files:
        digest.update(file.relative_to(path.parent).as_posix().encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    # The clock of a file system is coarse: what was changed just now may be changed again without another time.
    if all(max(stat.st_mtime_ns, stat.st_ctime_ns) < now - _SETTLED_NS for _, stat in stats):
        _hashes[path] = state, digest.hexdigest()
    return digest.hexdigest()
