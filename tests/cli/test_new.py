"""`mixmas_pipeline new` makes a whole project in an empty folder, and only there."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from project_runs import ROOT

from mixmas_pipeline.cli.new import lay_down, new_command


def test_a_project_is_what_the_checkout_has(tmp_path: Path) -> None:
    """All of base and paper; nothing of conf/local or conf/test."""
    lay_down(tmp_path / "a project")
    laid = {str(p.relative_to(tmp_path / "a project")) for p in (tmp_path / "a project").rglob("*") if p.is_file()}
    shared = {
        str(p.relative_to(ROOT))
        for folder in ("conf/base", "conf/paper", "notebooks")
        for p in (ROOT / folder).iterdir()
        if "credentials" not in p.name
    }
    assert laid >= shared | {"conf/logging.yml", "pyproject.toml", ".telemetry", ".gitignore"}
    assert {name for name in laid if name.startswith("conf/local")} == {"conf/local/parameters.yml"}
    assert not [name for name in laid if name.startswith("conf/test")]


@pytest.mark.parametrize("inside", ["a file", "itself a file"])
def test_nothing_is_overwritten(inside: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    if inside == "a file":
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    else:
        folder.write_text("mine")
    with pytest.raises(FileExistsError, match="mine exists already; expected a new or an empty folder"):
        lay_down(folder)


def test_an_empty_folder_is_taken_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / 'mine "ü" \\ 1'
    folder.mkdir()
    lay_down(folder)
    assert tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["kedro"]["project_name"] == folder.name


def test_outside_a_project_the_error_names_the_command_that_makes_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mixmas_pipeline", "--pipeline=search"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == f"There is no project in {tmp_path}; make one: mixmas_pipeline new FOLDER\n"


def test_the_help_of_the_package_names_the_command_that_makes_a_project(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mixmas_pipeline", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mixmas_pipeline new FOLDER makes a project")
    assert "--pipelines" in done.stdout


def test_the_command_names_the_next_one_and_reports_an_error_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    done = CliRunner().invoke(new_command, [str(folder)])
    assert done.exit_code == 0
    assert done.output.startswith(f"Made {folder}. Next: cd {folder} && kedro run\n")
    assert "Your own table is described in conf/local/parameters.yml" in done.output
    again = CliRunner().invoke(new_command, [str(folder)])
    assert again.exit_code == 1
    assert again.output == f"Error: {folder} exists already; expected a new or an empty folder\n"
