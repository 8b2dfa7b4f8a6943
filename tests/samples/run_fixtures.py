"""Finished runs, and copies of them that may be changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mmimdb_samples import write_few_films
from project_runs import kedro_process
from shared_runs import Run, SharedRuns


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session have in common."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("shared", numbered=False)
    folder = tmp_path_factory.getbasetemp().parent / "shared"  # each worker's own base lies in the session's
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def shared_runs(shared_folder: Path) -> SharedRuns:
    return SharedRuns(shared_folder)


@pytest.fixture(scope="session")
def finished(shared_runs: SharedRuns) -> Run:
    """`kedro run --env=test`, in a process of its own, as a user starts it."""
    return shared_runs.run("run", "--env=test", command=kedro_process)


@pytest.fixture(scope="session")
def finished_project(finished: Run) -> Path:
    """A project in which `kedro run --env=test` has ended well. Not to be changed: copy it first."""
    return finished.project


@pytest.fixture(scope="session")
def films_run(shared_runs: SharedRuns) -> Run:
    """Data, search, training and report of a quarter of the mirror's films."""
    if not os.environ.get("MIXMAS_MIRROR"):
        pytest.skip("reads films in MM-IMDB's layout: set MIXMAS_MIRROR to a folder that has movies/movies.zip")
    archive = Path(os.environ["MIXMAS_MIRROR"]) / "movies" / "movies.zip"

    def add_films(project: Path) -> None:
        write_few_films(archive, project / "data/01_raw/mmimdb")

    return shared_runs.run("run", "--env=test", "--params=dataset=mmimdb", prepare=add_films)


@pytest.fixture(scope="session")
def mimic_data(shared_runs: SharedRuns, finished: Run) -> Run:
    """The tables of the MIMIC-III demo."""
    if not os.environ.get("MIXMAS_MIRROR"):
        pytest.skip("reads the MIMIC-III demo: set MIXMAS_MIRROR to a folder that has mimic-iii-demo")
    return shared_runs.run("run", "--env=test", "--pipeline=mimic", after=finished)


@pytest.fixture
def copy_of_finished(finished_project: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes copies of the finished project that may be changed."""

    def copy() -> Path:
        target = tmp_path / "copy"
        shutil.copytree(finished_project, target)
        return target

    return copy
