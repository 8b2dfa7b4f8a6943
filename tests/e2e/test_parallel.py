"""The project's pipelines with several nodes at once: the same artefacts as one by one, and no slower when idle."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from child_processes import workers
from project_runs import kedro, make_project
from run_results import results, started

# Artefacts that hold nothing but results, by the end of their path: their bytes are compared.
BYTES = ("train.arrow", "test.arrow", "sample.arrow", "model.safetensors", "architecture.json", "metrics.json")


def newest(project: Path, name: str) -> Path:
    """The file of this name in the newest version of its data set."""
    return max((project / "data" / "test").glob(f"**/{name}"), key=lambda file: file.parts)


def tables(project: Path) -> dict[str, Any]:
    """Tables and the search's results, without the seconds that things took."""
    found: dict[str, Any] = {}
    for name in ("leaderboard", "losses", "history", "predictions"):
        frame = pd.read_parquet(newest(project, f"{name}.parquet"))
        found[name] = frame.drop(columns="seconds", errors="ignore").to_dict("list")
    for file in (project / "data/test/07_model_output/avmnist/search").glob("*/*_result.json/*/*_result.json"):
        found[f"{file.parent.parent.parent.name}/{file.name}"] = re.sub(r'econds": [\d.e-]+', "", file.read_text())
    return found


@pytest.mark.slow
def test_parallel_run_with_a_killed_worker_ends_with_the_same_bits(finished_project: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "parallel")
    said = run_and_kill_a_worker(project)
    assert "it is run again (1 of 2)" in said
    assert len(set(re.findall(r"its process was killed by SIGKILL", said))) == 1
    assert "\x1b" not in said
    for name in BYTES:
        assert newest(project, name).read_bytes() == newest(finished_project, name).read_bytes(), name
    assert tables(project) == tables(finished_project)
    assert len(tables(project)) == 4 + 3 + 3 + 4 + 2
    again = kedro(project, "run", "--env=test", "--params=compute.cores=1")
    assert again.returncode == 0
    assert started(again.stdout) == [], "the number of cores changes nothing"


@pytest.mark.slow
def test_members_side_by_side_have_the_same_bits_as_one_by_one(finished_project: Path, tmp_path: Path) -> None:
    """With two cores, a member's worker is killed: it resumes, and the others are not trained again."""
    parameters = "avmnist.training.deploy=ensemble,avmnist.training.members=3,avmnist.training.max_epochs=20"
    alone, together = (shutil.copytree(finished_project, tmp_path / name) for name in ("alone", "together"))
    done = kedro(alone, "run", "--env=test", "--pipeline=training", f"--params={parameters},compute.cores=1")
    assert done.returncode == 0, done.stdout
    command = ["--pipeline=training", f"--params={parameters},compute.cores=2"]
    said = run_and_kill_a_worker(together, r"Running training.train_member", command)
    assert "it is run again (1 of 2)" in said
    nodes = started(said)
    assert len(nodes) == len(set(nodes)) + 1
    assert set(nodes) == set(started(done.stdout))
    assert results(together) == results(alone)


def run_and_kill_a_worker(
    project: Path, begun: str = r"Running \S+\.train_", arguments: Sequence[str] = ("--params=compute.cores=2",)
) -> str:
    """`kedro run` on two cores; after the first line with this pattern nothing is left of a worker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--env=test", *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "250"},
    )
    assert process.stdout is not None
    said, killed = "", False
    for line in process.stdout:
        said += line
        if not killed and re.search(begun, said):
            running = workers(process.pid)
            if running:
                os.kill(min(running), signal.SIGKILL)
                killed = True
    assert process.wait(600) == 0, said
    return said


def test_a_finished_run_imports_and_starts_nothing(copy_of_finished: Callable[[], Path]) -> None:
    """On as many cores as there are, and on Ray: neither it nor torch is needed to see that all is there."""
    project = copy_of_finished()
    script = (
        "import loky, sys, subprocess; from pathlib import Path;"
        "loky.ProcessPoolExecutor = None;"
        "from kedro.framework.startup import bootstrap_project;"
        "from mixmas_pipeline.session import ReusingSession;"
        "from mixmas_pipeline.runners.ray import RayRunner;"
        "subprocess.Popen = None;"
        "bootstrap_project(Path.cwd());"
        "session = ReusingSession.create(env='test', runtime_params={'compute': {'cores': 4}});"
        "session.run(pipeline_names=['search'], runner=RayRunner() if 'ray' in sys.argv else None);"
        "print([name for name in ('torch', 'ray') if name in sys.modules])"
    )
    for runner in ("machine", "ray"):
        done = subprocess.run(
            [sys.executable, "-c", script, runner], cwd=project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().endswith("[]"), done.stdout
        assert "Reused: " in done.stdout
        assert started(done.stdout) == []
