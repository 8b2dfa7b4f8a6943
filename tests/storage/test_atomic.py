"""A file appears under its name once its bytes are on the disk, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest
from artefact_samples import assert_same
from atomic_samples import Broken, JSONFile, files
from kedro.io import DatasetError


def test_failing_save_does_not_hide_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emptied folder may be one that cannot be removed: a mount point, such as a container's volume."""

    def busy(self: Path) -> None:
        raise OSError(16, "Device or resource busy", str(self))

    monkeypatch.setattr(Path, "rmdir", busy)
    with pytest.raises(DatasetError, match="the lights went out"):
        Broken(filepath=str(tmp_path / "volume" / "a.json")).save({})


def test_flushing_fails_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that only fsync reports (a full network disk) does not let the file appear."""
    path = tmp_path / "a.json"
    dataset = JSONFile(filepath=str(path))
    dataset.save({"run": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DatasetError, match="No space left on device") as caught:
        dataset.save({"run": 2})
    assert str(path) in str(caught.value)
    assert dataset.load() == {"run": 1}
    assert files(tmp_path) == ["a.json"]


def test_bytes_are_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: order.append("flush"))
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: order.append("rename") or replace(self, target))
    dataset = JSONFile(filepath=str(tmp_path / "a.json"))
    dataset.save({"run": 1})
    assert order[:2] == ["flush", "rename"]
    assert_same("json", dataset.load(), {"run": 1})
