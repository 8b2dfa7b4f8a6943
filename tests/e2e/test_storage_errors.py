"""`kedro run` on a disk that is full, and in folders that may not be written: it says so, and goes on afterwards.

A small disk and a read-only one are mounted in a mount namespace of the test's own; where this user may not do so (some
containers), these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_runs import make_project
from run_results import results, started

# One node after the other: what the log names last is what was cut.
RUN = f"{sys.executable} -m kedro run --env=test --params=compute.cores=1"
PRIVATE = ["unshare", "--mount", "--map-root-user", "sh", "-ec"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("unshare") is None
        or subprocess.run([*PRIVATE, "mount -t tmpfs tmpfs /mnt"], capture_output=True).returncode != 0,
        reason="this user may not mount a disk of its own (unshare --mount)",
    ),
]


def in_namespace(project: Path, script: str) -> None:
    """Run shell commands with mounts that nobody else sees."""
    done = subprocess.run(
        [*PRIVATE, script],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "COLUMNS": "1000", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def said(log: Path) -> str:
    return " ".join(log.read_text().split())


def test_full_disk(finished_project: Path, tmp_path: Path) -> None:
    project, size = make_project(tmp_path / "project"), "35m"
    in_namespace(
        project,
        f"""
        mkdir -p data/test && mount -t tmpfs -o size={size} tmpfs data/test
        if {RUN} > full.log 2>&1; then echo "it fits into {size}; the test proves nothing"; exit 1; fi
        find data/test -name '.*.partial' > partials.log
        mount -o remount,size=500m data/test
        {RUN} > again.log 2>&1
        cp -r data/test kept
        """,
    )
    full, again = said(project / "full.log"), said(project / "again.log")
    assert f"{project}/data/test/0" in full, "the file is named"
    assert "No space left on device" in full
    assert f"MB are free on the disk of {project}/data/test. Free some, for example with `kedro prune`" in full
    assert "Then run the same command again" in full
    assert (project / "partials.log").read_text() == ""
    begun = started(full)
    assert begun, "some nodes were begun"
    assert not set(begun[:-1]) & set(started(again)), "what was finished is kept"
    assert begun[-1] in started(again)
    (project / "data/test").rmdir()
    (project / "kept").rename(project / "data/test")
    assert results(project) == results(finished_project)


def test_read_only_folders(finished_project: Path, tmp_path: Path) -> None:
    """One that is met in the middle of the run, then the whole data root."""
    project = make_project(tmp_path / "project")
    models, whole = project / "data/test/06_models", project / "data/test"
    models.mkdir(parents=True)
    in_namespace(
        project,
        f"""
        mount --bind {models} {models} && mount -o remount,bind,ro {models}
        if {RUN} > part.log 2>&1; then exit 1; fi
        umount {models}
        mount --bind {whole} {whole} && mount -o remount,bind,ro {whole}
        if {RUN} > whole.log 2>&1; then exit 1; fi
        umount {whole}
        {RUN} > again.log 2>&1
        """,
    )
    part, whole_log, again = (said(project / f"{name}.log") for name in ("part", "whole", "again"))
    assert f"Read-only file system: '{models}/avmnist" in part
    assert f"This user may not write there. Everything below {whole} must be writable" in part
    assert len(started(part)) > 10, "the data were prepared; the first model is a reference"
    assert not set(started(part)[:-1]) & set(started(again))
    assert f"The data root {whole} cannot be locked" in whole_log
    assert "Read-only file system" in whole_log
    assert started(whole_log) == []
    assert results(project) == results(finished_project)
