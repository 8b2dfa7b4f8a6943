"""`kedro run` with its data root in an object store: killed, gone on with by another machine, the same as on a disk."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from object_store import ObjectStore
from project_runs import kedro, make_project
from run_results import started, without_seconds

from mixmas_pipeline.storage.cache import cache_folder

TIMED = ("leaderboard_figure.json", "report.html")  # show how long something took, among much else


def contents(root: Path) -> dict[str, Any]:
    """What every artefact's newest version holds but for times that something took, by its path without the version.

    A run that is killed between saving an artefact and recording how it was made leaves a version that is made again.
    """
    found: dict[str, Any] = {}
    for file in sorted(root.rglob("*")):
        versioned = re.sub(r"/\d{4}-[\dT.-]+Z/", "/", f"/{file.relative_to(root).as_posix()}")
        if not file.is_file() or file.suffix in (".ckpt", ".complete"):
            continue
        if file.name.startswith(".") or file.name in ("provenance.json", *TIMED):
            continue
        if file.suffix == ".parquet":
            frame = pd.read_parquet(file)
            found[versioned] = frame.drop(columns="seconds", errors="ignore").to_json()
        elif file.suffix == ".json":
            found[versioned] = without_seconds(json.loads(file.read_text()))
        else:
            found[versioned] = file.read_bytes()
    return found


def without_lease(objects: list[str]) -> list[str]:
    """Each run replaces the lease of the run before it."""
    return [name for name in objects if not name.startswith(".run-")]


@pytest.mark.slow
def test_killed_run_ends_the_same_on_another_machine(
    object_store: ObjectStore, finished_project: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    (project / "conf/test/globals.yml").write_text(f"data_root: {object_store.url}\nraw_root: data/01_raw\n")
    run = subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--env=test"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        start = time.monotonic()
        while run.poll() is None and len(object_store.objects()) < 80 and time.monotonic() - start < 900:
            time.sleep(0.05)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert run.returncode == -signal.SIGKILL
    killed_at = object_store.objects()
    assert len(killed_at) >= 80
    shutil.rmtree(cache_folder())

    done = kedro(project, "run", "--env=test", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Reused: " in done.stdout
    assert f"The report: {object_store.url}/08_reporting" in done.stdout
    assert set(without_lease(killed_at)) < set(object_store.objects()), "what was finished is kept"
    expected = contents(finished_project / "data/test")
    assert len(expected) > 70
    assert any(name.endswith("model.safetensors") for name in expected)
    found = contents(object_store.folder)
    assert found.keys() == expected.keys()
    assert [name for name, content in expected.items() if found[name] != content] == []
    assert not [name for name in (project / "data").rglob("*") if name.is_file()], "nothing lies on the disk"

    before = without_lease(object_store.objects())
    again = kedro(project, "run", "--env=test", timeout=900)
    assert again.returncode == 0, again.stdout + again.stderr
    assert started(again.stdout) == []
    assert without_lease(object_store.objects()) == before
