"""Project folders to run Kedro in, as a user does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


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


def newest(artefact: Path) -> Path:
    """The newest version of a versioned data set: ``artefact/<version>/<its name>``."""
    return max(artefact.glob(f"*/{artefact.name}"))
