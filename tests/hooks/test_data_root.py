"""Advice when the storage fails, and that the lock ends with the run; tests/storage/test_locks.py has the lock."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from mixmas_pipeline.hooks.data_root import DataRootHooks, storage_advice
from mixmas_pipeline.storage import retention
from mixmas_pipeline.storage.locks import DataRootBusy

RUN = {"run_id": "2026-01-01T00.00.00.000Z"}


def caused_by(cause: OSError) -> Exception:
    """The error of a library that hides its cause."""
    try:
        try:
            raise cause
        except OSError:
            raise RuntimeError("cannot save")  # noqa: B904  # the context is the point
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk(number: int, tmp_path: Path) -> None:
    advice = storage_advice(caused_by(OSError(number, "full")), str(tmp_path))
    assert advice.startswith("There is no room for more: ")
    assert str(tmp_path) in advice
    assert "`kedro prune`" in advice


def test_a_full_disk_that_the_library_does_not_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda root: SimpleNamespace(total=10**9, free=1000))
    advice = storage_advice(ValueError("short write"), str(tmp_path))
    assert advice.startswith("There is no room for more: 0.0 of 1000 MB are free")


@pytest.mark.parametrize("root", ["folder", "s3://bucket/data"])
@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_folder_that_may_not_be_written(root: str, number: int, tmp_path: Path) -> None:
    root = str(tmp_path) if root == "folder" else root
    assert f"Everything below {root} must be writable" in storage_advice(caused_by(OSError(number, "no")), root)


@pytest.mark.parametrize("error", [ValueError("a bad value"), caused_by(OSError(errno.ENOENT, "no such file"))])
def test_other_errors_get_no_advice(error: Exception, tmp_path: Path) -> None:
    assert storage_advice(error, str(tmp_path)) == ""


def hooks_of(root: Path) -> DataRootHooks:
    hooks = DataRootHooks()
    context = SimpleNamespace(config_loader={"globals": {"data_root": str(root)}}, project_path=root.parent)
    hooks.after_context_created(context)  # type: ignore[arg-type]
    return hooks


@pytest.mark.parametrize("ends_well", [True, False])
def test_the_next_run_can_begin_when_a_run_has_ended(ends_well: bool, tmp_path: Path) -> None:
    first, second = hooks_of(tmp_path / "data"), hooks_of(tmp_path / "data")
    first.before_pipeline_run(RUN)
    with pytest.raises(DataRootBusy):
        second.before_pipeline_run(RUN)
    if ends_well:
        first.after_pipeline_run()
    else:
        first.on_pipeline_error(ValueError("a node failed"))
    second.before_pipeline_run(RUN)
    second.after_pipeline_run()


def test_the_lock_ends_with_the_run_even_if_checkpoints_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = hooks_of(tmp_path / "data"), hooks_of(tmp_path / "data")

    def fail(root: Path) -> None:
        raise OSError("the store cannot be reached")

    monkeypatch.setattr(retention, "sweep_checkpoints", fail)
    first.before_pipeline_run(RUN)
    with pytest.raises(OSError, match="cannot be reached"):
        first.after_pipeline_run()
    second.before_pipeline_run(RUN)
    second.on_pipeline_error(ValueError("a node failed"))


def test_an_error_may_be_its_own_cause(tmp_path: Path) -> None:
    """A worker's error that is raised again can come to lie in the chain of its causes."""
    first, second = OSError(errno.EACCES, "no"), ValueError("again")
    first.__cause__, second.__cause__ = second, first
    assert "must be writable" in storage_advice(second, str(tmp_path))
