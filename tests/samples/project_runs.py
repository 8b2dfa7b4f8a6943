"""Project folders to run Kedro in, as a user does."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from forked_runs import Forks

ROOT = Path(__file__).parents[2]


def make_project(folder: Path) -> Path:
    """Makes a project folder with this checkout's configuration and no data."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "conf", folder / "conf")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "src").mkdir()  # Kedro wants the folder; the code is the installed package
    return folder


def kedro(project: Path, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Runs a kedro command in a project folder, in a fork of a process that has imported the project already.

    A fresh process would take seconds to import torch. ``kedro_process`` starts one, for tests of just that.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        status = _forks().run(project, out, list(arguments), columns=200, errors=str(errors), timeout=timeout)
        said = out.read_text(), errors.read_text()
        return subprocess.CompletedProcess(["kedro", *arguments], status, *said)


def kedro_process(project: Path, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Runs a kedro command in a project folder, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


def newest(artefact: Path) -> Path:
    """The newest version of a versioned data set: ``artefact/<version>/<its name>``."""
    return max(artefact.glob(f"*/{artefact.name}"))


@cache
def _forks() -> Forks:
    """One for all tests of this process."""
    forks = Forks()
    forks.__enter__()
    atexit.register(forks.__exit__, None, None, None)
    return forks
