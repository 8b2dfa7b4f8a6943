"""What may be deleted below a data root: old versions, and what killed runs have left unfinished.

A version is a folder ``<data set>/<version>/`` with a file or folder of the data set's name in it. Only what looks
exactly like that, or like a temporary name of this project, is touched. The data root is a folder of this machine or of
an object store.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.storage.atomic import is_complete, write_atomically
from mixmas_pipeline.storage.hashing import hash_path
from mixmas_pipeline.storage.paths import read_bytes, remove, subfolders

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath

_PROVENANCE_FILE = "provenance.json"
_VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
_PARTIAL = re.compile(r"\..+\.partial")
# What a folder without versions was, while it is replaced by a new one.
_REPLACED = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{32}\.old")

_FINISHED = "finished"  # file in a training's folder of checkpoints


@dataclass(frozen=True, eq=False)
class Saved:
    """A complete version of a data set.

    Args:
        artefact: its file or folder.
        record: its provenance; {} if it has none.
    """

    artefact: AnyPath
    record: dict[str, Any]

    @property
    def dataset(self) -> AnyPath:
        """The folder of the data set's versions."""
        return self.artefact.parent.parent

    @property
    def version(self) -> str:
        """When the run that saved it began, as Kedro writes it."""
        return self.artefact.parent.name

    @property
    def made(self) -> datetime:
        """The same as a time."""
        return datetime.strptime(self.version, "%Y-%m-%dT%H.%M.%S.%fZ").replace(tzinfo=UTC)


def saved_versions(root: AnyPath) -> dict[AnyPath, list[Saved]]:
    """Data set -> its complete versions, newest first."""
    saved: dict[AnyPath, list[Saved]] = {}
    for folder in _version_folders(root):
        if is_complete(artefact := folder / folder.parent.name):
            saved.setdefault(folder.parent, []).append(Saved(artefact, _record(folder)))
    for versions in saved.values():
        versions.sort(key=lambda version: version.version, reverse=True)
    return saved


def altered_versions(versions: Iterable[Saved]) -> Iterator[Saved]:
    """Versions whose content is not the recorded one. All files are read."""
    return (saved for saved in versions if saved.record and hash_path(saved.artefact) != saved.record["content"])


def superfluous(
    versions: dict[AnyPath, list[Saved]], keep: int, older_than: timedelta | None = None, now: datetime | None = None
) -> list[Saved]:
    """The versions that may be deleted, oldest first.

    Each data set keeps the ``keep`` newest versions; the newest with a record, since only such a one is reused; and
    every version that a kept one was made from, according to its record, however old it is.

    Args:
        versions: of each data set, newest first.
        keep: at least 1.
        older_than: delete only versions of a greater age. Default None: of any age.
        now: the present. Default None: the clock's.

    Raises:
        ValueError: ``keep`` is below 1.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; the newest version of each data set is in use, so it must be at least 1")
    of_content: dict[tuple[str, str], Saved] = {}
    stay: list[Saved] = []
    for of_one in versions.values():
        recorded = [saved for saved in of_one if saved.record]
        stay += of_one[:keep] + recorded[:1]
        for saved in reversed(recorded):  # of versions with the same content the newest counts
            of_content[saved.record["dataset"], saved.record["content"]] = saved
        if older_than is not None:
            oldest = (now or datetime.now(UTC)) - older_than
            stay += [saved for saved in of_one if saved.made >= oldest]
    needed: set[Saved] = set()
    while stay:
        if (saved := stay.pop()) not in needed:
            needed.add(saved)
            inputs = (saved.record.get("fingerprint") or {}).get("inputs", {})
            stay += [of_content[made_from] for made_from in inputs.items() if made_from in of_content]
    every = [saved for of_one in versions.values() for saved in of_one]
    return sorted((saved for saved in every if saved not in needed), key=lambda saved: (saved.version, saved.dataset))


def delete(saved: Saved) -> None:
    """Delete a version in one step: a kill leaves no half of it that looks complete."""
    doomed = saved.artefact
    if isinstance(doomed, Path):  # in a store ``remove`` deletes the marker first, without which a folder is incomplete
        doomed = doomed.rename(doomed.with_name(f".{doomed.name}.{uuid.uuid4().hex}.partial"))
    remove(doomed)
    remove(saved.artefact.parent / _PROVENANCE_FILE)
    if isinstance(doomed, Path):
        with contextlib.suppress(OSError):  # the user has put a file beside it
            doomed.parent.rmdir()


def leftovers(root: AnyPath) -> list[AnyPath]:
    """What killed saves and deletions have left. The data root must be locked, since a running save looks the same."""
    left: list[AnyPath] = []
    if isinstance(root, Path):
        left += [path for path in _walk(root) if _PARTIAL.fullmatch(path.name) or _is_replaced(path)]
    for folder in _version_folders(root):
        artefact = folder / folder.parent.name
        names = {path.name for path in folder.iterdir() if not _PARTIAL.fullmatch(path.name)}
        if not is_complete(artefact) and names <= {_PROVENANCE_FILE, artefact.name}:
            left.append(folder)
    return left


def sweep(root: AnyPath) -> int:
    """Remove the leftovers; the data root must be locked. Returns their number."""
    if isinstance(root, Path):
        for old in [path for path in _walk(root) if _REPLACED.fullmatch(path.name) and not _is_replaced(path)]:
            old.rename(_successor(old))  # the kill came between the two renames: no other copy exists
    left = leftovers(root)
    for path in left:
        remove(path)
    return len(left)


def checkpoint_folder(root: AnyPath) -> AnyPath:
    """Where full trainings keep their checkpoints, one folder per training."""
    return root / "06_models" / "checkpoints"


def mark_finished(checkpoints: AnyPath) -> None:
    """Mark a training's folder: its node has used the result."""
    write_atomically(checkpoints / _FINISHED, Path.touch)


def sweep_checkpoints(root: AnyPath) -> None:
    """Remove the checkpoints of trainings that are marked as finished; the data root must be locked, and the results
    saved."""
    for folder in subfolders(checkpoint_folder(root)):
        if is_complete(folder / _FINISHED):
            remove(folder)


def size(path: AnyPath) -> int:
    """Bytes of a file, or of all files of a folder."""
    if not isinstance(path, Path):
        return int(path.fs.du(path.path))
    return sum(file.stat().st_size for file in (_walk(path) if path.is_dir() else [path]) if file.is_file())


def _walk(folder: Path) -> Iterator[Path]:
    """Everything below a folder; not what lies in links and unfinished folders."""
    try:
        entries = sorted(folder.iterdir())
    except PermissionError:  # another user's, such as a disk's lost+found
        return
    for path in entries:
        yield path
        if path.is_dir() and not path.is_symlink() and not _PARTIAL.fullmatch(path.name):
            yield from _walk(path)


def _version_folders(folder: AnyPath) -> Iterator[AnyPath]:
    for path in sorted(subfolders(folder)):
        if _VERSION.fullmatch(path.name):
            yield path
        elif not path.is_symlink() and not _PARTIAL.fullmatch(path.name):
            yield from _version_folders(path)


def _is_replaced(path: Path) -> bool:
    return _REPLACED.fullmatch(path.name) is not None and _successor(path).exists()


def _successor(old: Path) -> Path:
    name = _REPLACED.fullmatch(old.name)
    assert name is not None
    return old.with_name(name["name"])


def _record(version: AnyPath) -> dict[str, Any]:
    try:
        record = json.loads(read_bytes(version / _PROVENANCE_FILE))
    except (FileNotFoundError, ValueError):
        return {}
    return record if {"dataset", "content", "fingerprint"} <= set(record) else {}
