"""What Kedro finds in the package ``cli``."""

from __future__ import annotations

import subprocess
import sys

from mixmas_pipeline import cli


def test_kedro_finds_its_own_run_and_the_projects_commands() -> None:
    from mixmas_pipeline.cli.kedro_run import run_command

    assert cli.run is run_command
    assert set(cli.cli.commands) == {"draft", "ipython", "prune", "run", "runs", "viz-build"}


def test_a_new_project_needs_no_command_of_kedro() -> None:
    """Kedro's commands log a line when they are imported."""
    program = "import sys, mixmas_pipeline.cli.new; print([name for name in sys.modules if name.startswith('kedro.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
