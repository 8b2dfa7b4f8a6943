"""The hash of a file or folder follows its content, and is computed only if something may have changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mixmas_pipeline.storage import hashing
from mixmas_pipeline.storage.hashing import hash_path


def test_a_folder_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    own = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: opened.append(self.name) or own(self, *a, **k))
    monkeypatch.setattr(hashing, "_SETTLED_NS", 0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        (folder / name).write_bytes(b"one")
    time.sleep(0.05)  # more than a tick of the file system's clock

    def content() -> str:
        opened.clear()
        return hash_path(folder)

    first = content()
    assert opened == ["a", "b"]
    assert content() == first
    assert opened == []
    (folder / "b").write_bytes(b"two")  # of the same length
    time.sleep(0.05)
    second = content()
    assert second != first
    assert opened == ["a", "b"]
    times = (folder / "a").stat()
    (folder / "a").write_bytes(b"two")
    os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert content() not in (first, second)
    (folder / "b").rename(folder / "c")
    assert content() not in (first, second)
    assert opened == ["a", "c"]


def test_what_has_just_changed_is_read_again(tmp_path: Path) -> None:
    """It may change once more within a tick of the file system's clock."""
    path = tmp_path / "rows.npz"
    path.write_bytes(b"one")
    first, times = hash_path(path), path.stat()
    assert path not in hashing._hashes
    old = times.st_mtime_ns - 10**10
    os.utime(path, ns=(old, old))
    assert hash_path(path) == first
    assert path not in hashing._hashes, "its content may have changed just now, whatever time it was given"
