"""Public source files: fetched once from a mirror folder or their public address, and checked by content hash.

The environment variable ``MIXMAS_MIRROR`` names a folder that is asked first; without it files come from their
public address. Either way they end in ``data/01_raw`` and are checked before anything reads them. Hashes are of the
*content* (decompressed bytes; the members of an archive), since the same data is served in several packings.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import importlib.metadata
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
import uuid
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from kedro.io import AbstractDataset, DatasetError

MIRROR_VARIABLE = "MIXMAS_MIRROR"
_CHUNK = 1 << 20
_log = logging.getLogger(__name__)


class Source(TypedDict):
    """What ``fetch`` has to know of a source file."""

    mirror: str
    url: str
    sha256: str | None


class OwnSourceDataset(AbstractDataset[None, Any]):
    """A file or folder of the user's own, read where it is and never written; it cannot be downloaded for them.

    Args:
        filepath: where it is.
        mirror: its path below ``MIXMAS_MIRROR``, where it is looked for when ``filepath`` is not there.
    """

    def __init__(self, *, filepath: str, mirror: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath, self._mirror = Path(filepath), mirror

    def locate(self) -> Path | None:
        """Where it is found; None if it is nowhere."""
        if self._filepath.exists():
            return self._filepath
        folder = os.environ.get(MIRROR_VARIABLE)
        return place if folder and (place := Path(folder) / self._mirror).exists() else None

    def places(self) -> str:
        """Where it was looked for, in words: "this nor that"."""
        folder = os.environ.get(MIRROR_VARIABLE)
        other = Path(folder) / self._mirror if folder else f"{self._mirror} in {MIRROR_VARIABLE} (not set)"
        return f"{self._filepath} nor {other}"

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is a source; it is only read")

    def _exists(self) -> bool:
        return self.locate() is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "mirror": self._mirror}


def fetch(path: Path, *, mirror: str, url: str, sha256: str | None, members: str = "") -> Path:
    """Make sure that the source file ``path`` is there and is the right one.

    Args:
        path: where it is cached, below ``data/01_raw``.
        mirror: its path inside the folder named by ``MIXMAS_MIRROR``.
        url: its public address.
        sha256: expected content hash (see ``content_hash``); None accepts any content, for a user's own files.
        members: for an archive, the ending of the members that count, for example ".wav".

    Returns:
        ``path``. A cached file that has been verified once is trusted again while its size and time stay the same.

    Raises:
        DatasetError: it can neither be found nor downloaded, or its content is not the expected one. What was fetched
            and fails its check is not kept; a file that was there before is left for its owner to look at.
    """
    stamp = path.with_name(f".{path.name}.verified")
    if path.exists():
        if stamp.exists() and stamp.read_text() == _stamp(path, sha256):
            return path
        _verify(path, f"{path} (delete it to fetch it again)", sha256, members)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        try:
            origin = _obtain(partial, mirror, url)
            _verify(partial, origin, sha256, members)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    stamp.write_text(_stamp(path, sha256))
    return path


def content_hash(path: Path, members: str = "") -> str:
    """sha256 of what the file holds, whatever its packing.

    Of a ``.gz`` file: of its decompressed bytes. Of a ``.zip``: of the sorted lines "<base name> <sha256>" of the
    members whose name ends in ``members``. Otherwise: of its bytes.
    """
    if path.name.split(".zip")[0] != path.name:
        with open_archive(path) as archive:
            lines = sorted(
                f"{PurePosixPath(name).name} {hashlib.sha256(archive.read(name)).hexdigest()}"
                for name in archive.namelist()
                if name.endswith(members) and not name.endswith("/")
            )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    digest = hashlib.sha256()
    opener = gzip.open if path.name.split(".gz")[0] != path.name else open
    with opener(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def package_version(package: str) -> str:
    """Name and version of an installed package; "absent" where it is not (loading then says what to install)."""
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} absent"


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip file, refusing one that is damaged or that names files outside itself.

    Raises:
        DatasetError: it is not a zip file, is truncated, or a member has an absolute path or climbs with "..".
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DatasetError(f"{path} is not a readable zip archive (truncated download?): {error}") from error
    try:
        for name in archive.namelist():
            refuse_outside(path, name)
    except DatasetError:
        archive.close()
        raise
    return archive


def refuse_outside(archive: Path, name: str) -> None:
    """Raise ``DatasetError`` if a member of the archive has an absolute path or climbs with ".."."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or any(":" in part for part in parts.parts[:1]):
        raise DatasetError(f"{archive} holds the member {name!r}, which points outside the archive; refused")


def _obtain(partial: Path, mirror: str, url: str) -> str:
    """Copy from the mirror if one is named, else download. Returns where it came from."""
    if folder := os.environ.get(MIRROR_VARIABLE):
        source = Path(folder) / mirror
        if not source.is_file():
            raise DatasetError(
                f"{MIRROR_VARIABLE}={folder} has no file {mirror!r}; expected it at {source}. "
                f"Add it there, or unset {MIRROR_VARIABLE} to download {url}"
            )
        shutil.copyfile(source, partial)
        return str(source)
    _log.info("Downloading %s", url)
    try:
        with urllib.request.urlopen(url, timeout=60) as response, partial.open("wb") as sink:
            expected = int(response.headers.get("Content-Length") or 0)
            received, last = 0, time.monotonic()
            while chunk := response.read(_CHUNK):
                sink.write(chunk)
                received += len(chunk)
                if time.monotonic() - last > 5:
                    last = time.monotonic()
                    _log.info("  %.1f of %.1f MB", received / 1e6, expected / 1e6)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise DatasetError(
            f"{url} could not be downloaded ({error}). Without a network, put the file at {mirror!r} in a folder "
            f"and name that folder in the environment variable {MIRROR_VARIABLE}"
        ) from error
    if expected and received != expected:
        raise DatasetError(f"{url} broke off after {received} of {expected} bytes; run the command again")
    return url


def _verify(file: Path, origin: Path | str, sha256: str | None, members: str) -> None:
    if sha256 is None:
        return
    try:
        found = content_hash(file, members)
    except DatasetError as error:
        raise DatasetError(f"{origin} is damaged: {error}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as error:
        raise DatasetError(f"{origin} is damaged or truncated: {error}") from error
    if found != sha256:
        raise DatasetError(f"{origin} has been altered: its content's sha256 is {found}; expected {sha256}")


def _stamp(path: Path, sha256: str | None) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {sha256}"
