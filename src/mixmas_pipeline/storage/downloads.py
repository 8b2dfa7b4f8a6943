"""Public source files: copied from a mirror folder or downloaded once, and checked by a hash of their content.

If the environment variable ``MIXMAS_MIRROR`` names a folder, files come from there, otherwise from their public address
(by pooch). Hashes are of the *content* (decompressed bytes; the members of an archive), not of the file as pooch's are:
the same data is served in several packings.
"""

from __future__ import annotations

import filecmp
import gzip
import hashlib
import json
import logging
import os
import re
import shutil
import time
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from mixmas_pipeline.storage.archives import open_archive
from mixmas_pipeline.storage.atomic import write_atomically
from mixmas_pipeline.storage.errors import StorageError
from mixmas_pipeline.storage.paths import without_secrets

MIRROR_VARIABLE = "MIXMAS_MIRROR"
_CHUNK = 1 << 20
_TIMEOUT, _CONNECT_TIMEOUT = 60, 10  # seconds without an answer, and until there is a connection
_PROGRESS_EVERY = 5.0  # seconds
_VALIDATORS = ("ETag", "Last-Modified")
_asked: set[Path] = set()  # cached files whose origin this run has asked
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A public file.

    Attributes:
        mirror: path in the folder that ``MIXMAS_MIRROR`` names.
        url: public address.
        sha256: expected content hash, see ``content_hash``. Default None: any content is accepted.
        members: for an archive, the ending of the members that count, for example ".wav". Default "": all.
    """

    mirror: str
    url: str
    sha256: str | None = None
    members: str = ""


def mirrored(path: str) -> Path | None:
    """``path`` in the mirror folder; None if ``MIXMAS_MIRROR`` is not set."""
    folder = os.environ.get(MIRROR_VARIABLE)
    return Path(folder) / path if folder else None


def fetch(path: Path, source: Source) -> Path:
    """Make sure that a source file exists at ``path`` and has the expected content.

    Returns:
        ``path``. A cached file that was verified once is trusted while its size and time stay the same.

    Raises:
        StorageError: it is not in the mirror and cannot be downloaded, or its content is not the expected one. A
            fetched file that fails its check is deleted; a file that existed before is kept.
    """
    stamp = path.with_name(f".{path.name}.verified")
    if path.exists():
        if stamp.exists() and stamp.read_text() == _stamp(path, source):
            return path
        _verify(path, f"{path} (delete it to fetch it again)", source)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".partial") as folder:
            partial = Path(folder) / path.name
            origin = _obtain(partial, source)
            _verify(partial, origin, source)
            partial.replace(path)
    stamp.write_text(_stamp(path, source))
    return path


def fetch_newest(path: Path, source: Source) -> Path:
    """``fetch``, and again if the file at its origin is not the cached one any more.

    The origin is asked once in a run (see ``ask_again``), so that a run sees one file. A server says by its ETag, or by
    Last-Modified, whether its file has changed. One that gives neither cannot be asked, which is logged with the day of
    the download, as is a server that does not answer.

    Raises:
        StorageError: as ``fetch``; a cached file stays.
    """
    if path in _asked:
        return path
    if not path.exists():
        state = _state(source)
        fetch(path, source)
        _write_state(path, state)
    elif (changed := _changed_state(path, source)) is not None:
        _log.warning("%s is not what it was when it was fetched; it is fetched again", without_secrets(source.url))
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".partial") as folder:
            partial = Path(folder) / path.name
            _obtain(partial, source)
            partial.replace(path)
        _write_state(path, changed)
    _asked.add(path)
    return path


def ask_again() -> None:
    """A run begins: ask the origins of files again."""
    _asked.clear()


def content_hash(path: Path, members: str = "") -> str:
    """sha256 of what a file holds, however it is packed.

    For a ``.gz`` file: of its decompressed bytes. For a ``.zip``: of the sorted lines "<base name> <sha256>" of the
    members whose name ends in ``members``. Otherwise: of its bytes.
    """
    if path.suffix == ".zip":
        with open_archive(path) as archive:
            lines = sorted(
                f"{PurePosixPath(name).name} {hashlib.sha256(archive.read(name)).hexdigest()}"
                for name in archive.namelist()
                if name.endswith(members) and not name.endswith("/")
            )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    opener = gzip.open if path.suffix == ".gz" else open
    digest = hashlib.sha256()
    with opener(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _changed_state(path: Path, source: Source) -> dict[str, str] | None:
    """The origin's state of the file if it differs from the cached one; None if not, or if it cannot be asked."""
    if copy := mirrored(source.mirror):
        return None if not copy.is_file() or filecmp.cmp(copy, path, shallow=False) else _dated({})
    known = _known_state(path)
    day = known.get("fetched") or f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d}"
    used = f"{without_secrets(source.url)}: the copy fetched on {day} is used; to fetch it again, delete {path}"
    try:
        now = _ask(source)
    except OSError as error:
        _log.warning("%s (its server cannot be asked: %s)", used, _shown(error, source))
        return None
    if not now:
        _log.warning("%s (its server does not tell whether it has changed)", used)
    validator = next((name for name in _VALIDATORS if name in now), "")  # the ETag decides where there is one
    same = not validator or now[validator].removeprefix("W/") == known.get(validator, "").removeprefix("W/")
    return None if same else _dated(now)


def _state(source: Source) -> dict[str, str]:
    """The origin's state of its file now, and the day."""
    try:
        return _dated({} if mirrored(source.mirror) else _ask(source))
    except OSError:
        return _dated({})  # the download that follows says why


def _dated(said: dict[str, str]) -> dict[str, str]:
    return {**said, "fetched": f"{datetime.now(UTC):%Y-%m-%d}"}


def _ask(source: Source) -> dict[str, str]:
    """The headers that change with a file. A signed address may allow GET only, so the answer is not read further.

    Raises:
        OSError: there is no good answer.
    """
    import requests

    with requests.get(source.url, stream=True, timeout=(_CONNECT_TIMEOUT, _TIMEOUT)) as answer:
        answer.raise_for_status()
        return {name: answer.headers[name] for name in _VALIDATORS if name in answer.headers}


def _shown(error: Exception, source: Source) -> str:
    """An error's text without the queries of addresses, as written, quoted, or of another to which a server leads."""
    query = urlsplit(source.url).query
    text = str(error).replace(f"?{query}", "") if query else str(error)
    return without_secrets(re.sub(r"\?[^\s'\")]*", "", text))


def _state_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.origin")


def _known_state(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(_state_file(path).read_text()))
    except (OSError, TypeError, ValueError):  # there is none, or it is damaged
        return {}


def _write_state(path: Path, state: dict[str, str]) -> None:
    write_atomically(_state_file(path), lambda file: file.write_text(json.dumps(state)))


def _obtain(partial: Path, source: Source) -> str:
    """Copy from the mirror if one is named, else download. Returns the file's origin."""
    if (copy := mirrored(source.mirror)) is None:
        _download(source, partial)
        return without_secrets(source.url)
    if not copy.is_file():
        raise StorageError(
            f"{MIRROR_VARIABLE}={os.environ[MIRROR_VARIABLE]} has no file {source.mirror!r}; expected it at {copy}. "
            f"Add it there, or unset {MIRROR_VARIABLE} to download {without_secrets(source.url)}"
        )
    shutil.copyfile(copy, partial)
    return str(copy)


def _download(source: Source, partial: Path) -> None:
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)  # it advises to pin the hash of the packed file
    _log.info("Downloading %s", without_secrets(source.url))
    downloader = pooch.HTTPDownloader(chunk_size=_CHUNK, timeout=_TIMEOUT, progressbar=_LoggedProgress())
    try:
        pooch.retrieve(source.url, known_hash=None, fname=partial.name, path=partial.parent, downloader=downloader)
    except (OSError, ValueError) as error:
        what = f"{without_secrets(source.url)} could not be downloaded ({_shown(error, source)})"
        raise StorageError(
            f"{what}. Run the command again; without a network, put the file "
            f"at {source.mirror!r} in a folder and name that folder in the environment variable {MIRROR_VARIABLE}"
        ) from None  # a trace would show the address


class _LoggedProgress:
    """Logs how far a download is, in the form that pooch takes for a progress bar: lines reach logs of workers too."""

    def __init__(self) -> None:
        self.total, self._received, self._last = 0, 0, time.monotonic()

    def update(self, received: int) -> None:
        """Count bytes."""
        self._received += received
        if time.monotonic() - self._last > _PROGRESS_EVERY:
            self._last = time.monotonic()
            _log.info("  %.1f of %.1f MB", self._received / 1e6, self.total / 1e6)

    def reset(self) -> None:
        """Count from 0: pooch calls this before it fills the bar a last time."""
        self._received = 0

    def close(self) -> None:
        """Nothing to close."""


def _verify(file: Path, origin: Path | str, source: Source) -> None:
    if source.sha256 is None:
        return
    try:
        actual = content_hash(file, source.members)
    except StorageError as error:
        raise StorageError(f"{origin} is damaged: {error}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as error:
        raise StorageError(f"{origin} is damaged or truncated: {error}") from error
    if actual != source.sha256:
        raise StorageError(f"{origin} has been altered: its content's sha256 is {actual}; expected {source.sha256}")


def _stamp(path: Path, source: Source) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {source.sha256}"
