"""What Kedro's own runners have made is recorded, so that ours reuses it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import probes
import pytest
from atomic_samples import JSONFile
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.pipeline import Node, Pipeline
from kedro.runner import AbstractRunner, SequentialRunner, ThreadRunner
from project_runs import kedro, make_project

from mixmas_pipeline.hooks.recording import RecordingHooks

VERSION = "2025-01-01T00.00.00.000Z"  # before those of ``probes``
GRAPH = Pipeline(
    [
        Node(probes.both, "params:a", ["first", "second"], name="two_outputs"),
        Node(probes.same, "second", "third", name="after"),
    ]
)


def run_as_kedro(folder: Path, values: dict[str, Any], runner: AbstractRunner) -> None:
    """Run the graph as a plain session does: hooks, and a runner that knows nothing of records."""
    catalog = DataCatalog(
        {
            **{name: MemoryDataset(value) for name, value in values.items()},
            **{name: JSONFile(filepath=str(folder / name), version=Version(None, VERSION)) for name in GRAPH.outputs()},
            "second": JSONFile(filepath=str(folder / "second"), version=Version(None, VERSION)),
        }
    )
    hooks = RecordingHooks()
    manager = _create_hook_manager()
    manager.register(hooks)
    hooks.before_pipeline_run({"run_id": VERSION, "runner": str(runner)}, catalog)
    runner.run(GRAPH, catalog, manager, run_id=VERSION)


@pytest.mark.parametrize("runner", [SequentialRunner(), ThreadRunner()], ids=["sequential", "threads"])
def test_results_of_kedros_runners_are_reused(
    runner: AbstractRunner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_as_kedro(tmp_path, {"params:a": 1}, runner)
    caplog.set_level(logging.INFO)
    probes.run(tmp_path, GRAPH, {"params:a": 1})
    assert "Reused: two_outputs, after" in caplog.text
    assert "Running" not in caplog.text
    probes.run(tmp_path, GRAPH, {"params:a": 2})
    assert "Running two_outputs (1 of 2): params:a changed" in caplog.text


def test_a_session_of_ones_own_is_recorded(tmp_path: Path) -> None:
    """As `session.run()` in a notebook, where Kedro makes the session."""
    project = make_project(tmp_path / "project")
    script = (
        "from pathlib import Path\n"
        "from kedro.framework.session import KedroSession\n"
        "from kedro.framework.startup import bootstrap_project\n"
        "bootstrap_project(Path.cwd())\n"
        "with KedroSession.create(env='test') as session:\n"
        "    session.run(pipeline_names=['avmnist'], to_nodes=['data.avmnist.pair_digits'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = kedro(project, "run", "--env=test", "--pipeline=avmnist", "--to-nodes=data.avmnist.pair_digits")
    words = " ".join((again.stdout + again.stderr).split())
    assert "Reused: " in words
    assert "Running" not in words
