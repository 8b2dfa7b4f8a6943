"""Shared by all tests: where the real data is, and a project folder to run Kedro in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MIRROR = "MIXMAS_MIRROR"

# Small tensors: more threads than one a process only wait for each other. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if MIRROR not in os.environ and (ROOT.parent / "shared" / "datasets").is_dir():
    os.environ[MIRROR] = str(ROOT.parent / "shared" / "datasets")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the real data say so when they are skipped."""
    if MIRROR not in os.environ:
        for item in items:
            if "mirror" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"needs the real data in the folder named by {MIRROR}"))


def make_project(folder: Path) -> Path:
    """A project folder of its own, with this checkout's configuration, and no data."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "conf", folder / "conf")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "src").mkdir()  # Kedro wants the folder; the code is the installed package
    return folder


def kedro(project: Path, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a kedro command in a project folder."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which `kedro run --env=test` has ended well. Not to be changed: copy it first."""
    project = make_project(tmp_path_factory.mktemp("finished") / "project")
    done = kedro(project, "run", "--env=test")
    assert done.returncode == 0, done.stdout + done.stderr
    (project / "first_run.log").write_text(done.stdout + done.stderr)
    return project


@pytest.fixture
def copy_of_finished(finished_project: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes copies of the finished project that may be changed."""

    def copy() -> Path:
        target = tmp_path / "copy"
        shutil.copytree(finished_project, target)
        return target

    return copy
