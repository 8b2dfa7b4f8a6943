"""Where artefacts lie: a folder of this machine, or an object store by its URL (``s3://bucket/prefix``).

Here alone is known what a store can do. It replaces one object as a whole, so a file that was uploaded is whole. It
cannot rename, so a folder is whole once an object named ``<folder>.complete``, which is uploaded last and lists the
folder's files, is there too. What a store holds is read from a copy below ``cache_folder()``: files can be mapped into
memory, and are fetched once a machine. No listing is remembered, so that other processes' versions are seen.

Local paths are plain ``pathlib`` paths, and nothing of fsspec is touched for them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError

if TYPE_CHECKING:
    from upath import UPath

    Place = Path | UPath

CACHE_VARIABLE = "MIXMAS_CACHE"
_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")  # that replace an object as a whole
_LOCAL = ("file://", "local://")
_CHUNK = 1 << 22
_SETTLED_NS = 3_000_000_000
_hashes: dict[Path, tuple[list[tuple[str, int, int, int]], str]] = {}  # path -> names, sizes and times; hash


def place(url: str | Path) -> Place:
    """A path of this machine as a ``Path``, any other URL as a ``UPath``.

    Raises:
        DatasetError: the URL's file system is not an object store, or the package that reads it is not installed.
    """
    text = str(url)
    protocol, separator, rest = text.partition("://")
    if not separator:
        return Path(url)
    if text.startswith(_LOCAL):
        return Path(rest)
    if protocol not in _STORES:
        raise DatasetError(
            f"{text}: {protocol}:// is not known to replace a file as a whole; expected one of {', '.join(_STORES)}. "
            "Mount it on every machine and give the path"
        )
    from fsspec import get_filesystem_class
    from upath import UPath

    try:
        get_filesystem_class(protocol)
    except ImportError as error:
        raise DatasetError(f"{text}: the package that reads {protocol}:// is not installed: {error}") from error
    return UPath(text)


def is_remote(path: Place) -> bool:
    """Is it in an object store?"""
    return not isinstance(path, Path)


def is_whole(path: Place) -> bool:
    """Is there a file or folder that was written to its end?"""
    return path.exists() if isinstance(path, Path) else keys(path) is not None


def keys(path: UPath) -> dict[str, str] | None:
    """What tells a whole artefact's content from another: its files' relative names ("" for a single file), each with a
    key made of ETag, size and time. None if it is not there or not whole.

    Raises:
        OSError, or what else the store's package raises: the store cannot be asked.
    """
    fs = _store(path)
    with contextlib.suppress(FileNotFoundError):
        if fs.info(path.path)["type"] == "file":
            return {"": str(fs.ukey(path.path))}
    try:
        names = json.loads(fs.cat_file(_marker(path).path))
        return {name: str(fs.ukey((path / name).path)) for name in names}
    except FileNotFoundError:
        return None


def versions(path: UPath) -> list[str]:
    """Every whole version ``<path>/<version>/<name>`` in a store, as a URL, the newest first."""
    fs = _store(path)
    start = len(fs._strip_protocol(path.path)) + 1
    ends = {path.name, _marker(path).name}
    try:
        parts = [key[start:].split("/") for key in fs.find(path.path)]
    except FileNotFoundError:
        return []
    return sorted({str(path / p[0] / path.name) for p in parts if len(p) == 2 and p[1] in ends}, reverse=True)


def write_whole(path: Place, write: Callable[[Path], Any]) -> None:
    """Make a file or folder appear under its name only once all of it is there.

    Args:
        path: where it is to be. What is there is replaced, at once if it is a file.
        write: gets a local path that does not exist yet, and makes the file or folder there.
    """
    if isinstance(path, Path):
        _write_local(path, write)
    else:
        _write_remote(path, write)


def local(path: Place) -> Path:
    """The file or folder on this machine: itself, or a store's copy, which is fetched unless it was before.

    Raises:
        FileNotFoundError: it is not there, or not whole.
    """
    if isinstance(path, Path):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        return path
    from filelock import FileLock

    folder = _cache_of(path)
    with FileLock(folder / ".lock"):  # of several processes one fetches, the others wait for it
        known = keys(path)
        if known is None:
            raise FileNotFoundError(f"{path} does not exist")
        copy = folder / _name(known) / path.name
        if not copy.exists():
            partial = folder / f".{uuid.uuid4().hex}.partial"
            try:
                for name in known:
                    file = partial / path.name / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    _store(path).get_file((path / name).path if name else path.path, str(file))
                _keep(partial, path, known)
            finally:
                remove(partial)
        return copy


def hash_path(path: Place) -> str:
    """blake2b of a file, or of a folder's file names and contents. It is read once in a process, unless a file's name,
    size or times change.
    """
    path = local(path).absolute()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    now, found = time.time_ns(), [(str(file), file.stat()) for file in files]
    state = [(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found]
    if (known := _hashes.get(path)) is not None and known[0] == state:
        return known[1]
    digest = hashlib.blake2b(digest_size=20)
    for file in files:
        digest.update(file.relative_to(path.parent).as_posix().encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    # The clock of a file system is coarse: what was changed just now may be changed again without another time.
    if all(max(stat.st_mtime_ns, stat.st_ctime_ns) < now - _SETTLED_NS for _, stat in found):
        _hashes[path] = state, digest.hexdigest()
    return digest.hexdigest()


def local_folder(path: Place) -> Path:
    """Where temporary files may lie that belong to a folder: itself, or for a store's a folder of this machine."""
    return path if isinstance(path, Path) else _cache_of(path)


def read_bytes(path: Place) -> bytes:
    """Content of a small file.

    Raises:
        FileNotFoundError: it is not there.
    """
    return path.read_bytes() if isinstance(path, Path) else _store(path).cat_file(path.path)


def remove(path: Place) -> None:
    """Remove a file or folder with all it holds, if it is there."""
    if isinstance(path, Path):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        return
    fs = _store(path)
    for whole in (_marker(path), path):  # first of all it stops looking whole
        with contextlib.suppress(FileNotFoundError):
            fs.rm(whole.path, recursive=True)


def folders(path: Place) -> list[Place]:
    """The folders in a folder; none if it is not there."""
    if isinstance(path, Path):
        return [found for found in path.iterdir() if found.is_dir()] if path.exists() else []
    try:
        found = _store(path).ls(path.path, detail=True)
    except FileNotFoundError:
        return []
    return [path / Path(entry["name"]).name for entry in found if entry["type"] == "directory"]


def cache_folder() -> Path:
    """Where copies of what stores hold are kept: ``MIXMAS_CACHE``, by default ``~/.cache/mixmas_pipeline``. It may be
    deleted whenever nothing is running.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mixmas_pipeline"


def _write_local(final: Path, write: Callable[[Path], Any]) -> None:
    """To a temporary name in the same folder, which is flushed to the disk and then renamed; the rename is atomic."""
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.{uuid.uuid4().hex}.partial")
    try:
        write(partial)
        _flush(partial)
        if final.is_dir():  # only without versions: a folder cannot be replaced in one step
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
    """To a local file, which is uploaded and then kept as the copy that is read."""
    fs = _store(final)
    partial = _cache_of(final) / f".{uuid.uuid4().hex}.partial"
    partial.mkdir()
    written = partial / final.name
    try:
        write(written)
        try:
            if written.is_file():
                fs.put_file(str(written), final.path)
            else:
                _upload_folder(written, final)
        except FileNotFoundError as error:
            raise DatasetError(f"{final} cannot be written; is there such a bucket? {error}") from error
        if (known := keys(final)) is not None:
            _keep(partial, final, known)
    finally:
        remove(partial)


def _upload_folder(written: Path, final: UPath) -> None:
    fs = _store(final)
    names = sorted(file.relative_to(written).as_posix() for file in written.rglob("*") if file.is_file())
    remove(final)
    try:
        for name in names:
            fs.put_file(str(written / name), (final / name).path)
        fs.pipe_file(_marker(final).path, json.dumps(names).encode())
    except BaseException:
        with contextlib.suppress(Exception):  # the store may be out of reach; without the marker it is nothing
            remove(final)
        raise


def _keep(partial: Path, path: UPath, known: dict[str, str]) -> None:
    """Make a complete copy the one that is read; copies of what the URL held before are dropped."""
    _flush(partial)
    folder = _cache_of(path)
    try:
        partial.replace(folder / _name(known))
    except OSError:
        if not (folder / _name(known)).exists():  # else another process was first
            raise
    for other in folders(folder):
        if not other.name.startswith(".") and other.name != _name(known):
            remove(other)


def _cache_of(path: UPath) -> Path:
    folder = cache_folder() / hashlib.blake2b(str(path).encode(), digest_size=16).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _name(known: dict[str, str]) -> str:
    return hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=16).hexdigest()


def _marker(path: UPath) -> UPath:
    return path.with_name(f"{path.name}.complete")


def _store(path: UPath) -> Any:
    """The path's fsspec file system, of this process (a path that holds one may come from before a fork), which has
    forgotten all that it had listed.
    """
    from fsspec import filesystem

    fs = filesystem(path.protocol, **path.storage_options)
    fs.invalidate_cache()
    return fs


def _flush(written: Path) -> None:
    """Wait until the bytes are on the disk, so that a rename cannot outlive them."""
    for file in [written] if written.is_file() else sorted(written.rglob("*")):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
