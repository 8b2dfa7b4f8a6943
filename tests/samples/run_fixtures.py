"""A finished run, and copies of it that may be changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from project_runs import kedro, make_project


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which `kedro run --env=test` has ended well. Not to be changed: copy it first."""
    project = make_project(tmp_path_factory.mktemp("finished") / "project")
    done = kedro(project, "run", "--env=test")
    assert done.returncode == 0, done.stdout + done.stderr
    (project / "first_run.log").write_text(done.stdout + done.stderr)
    return project


@pytest.fixture(scope="session")
def films_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for runs on the mirror's films; each may use what an earlier one has left."""
    return make_project(tmp_path_factory.mktemp("films") / "project")


@pytest.fixture
def copy_of_finished(finished_project: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes copies of the finished project that may be changed."""

    def copy() -> Path:
        target = tmp_path / "copy"
        shutil.copytree(finished_project, target)
        return target

    return copy
