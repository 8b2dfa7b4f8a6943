"""`kedro ipython` without an activated environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from project_runs import make_project


def test_it_is_the_python_of_kedro_whatever_the_path_has(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (tmp_path / "ipython").write_text("#!/bin/sh\necho another one\n")
    (tmp_path / "ipython").chmod(0o755)
    code = "import sys; print('runs in', sys.executable, context.env)"
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "ipython", "--env=test", "-c", code],
        cwd=project,
        env={**os.environ, "IPYTHONDIR": str(tmp_path), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert f"runs in {sys.executable} test" in done.stdout, done.stdout + done.stderr
    assert "another one" not in done.stdout
