"""What Kedro's sequential runner has made is recorded, so that ours reuses it."""

from __future__ import annotations

import json
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
from mixmas_pipeline.runners.node_code import CodeChanged, NodeCode
from mixmas_pipeline.runners.reusing import ReusingRunner

VERSION = "2025-01-01T00.00.00.000Z"  # before those of ``probes``
GRAPH = Pipeline(
    [
        Node(probes.both, "params:a", ["first", "second"], name="two_outputs"),
        Node(probes.same, "second", "third", name="after"),
    ]
)


def run_as_kedro(folder: Path, values: dict[str, Any], runner: AbstractRunner, graph: Pipeline = GRAPH) -> None:
    """Run a graph as a plain session does: hooks, and a runner that knows nothing of records."""
    version = Version(None, VERSION)
    kept = {name: JSONFile(filepath=str(folder / name), version=version) for name in graph.all_outputs()}
    catalog = DataCatalog({**{name: MemoryDataset(value) for name, value in values.items()}, **kept})
    hooks = RecordingHooks()
    manager = _create_hook_manager()
    manager.register(hooks)
    hooks.before_pipeline_run({"run_id": VERSION, "runner": str(runner)}, catalog)
    runner.run(graph, catalog, manager, run_id=VERSION)


def test_results_of_kedros_sequential_runner_are_reused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_as_kedro(tmp_path, {"params:a": 1}, SequentialRunner())
    caplog.set_level(logging.INFO)
    probes.run(tmp_path, GRAPH, {"params:a": 1})
    assert "Reused: two_outputs, after" in caplog.text
    assert "Running" not in caplog.text
    probes.run(tmp_path, GRAPH, {"params:a": 2})
    assert "Running two_outputs (1 of 2): params:a changed" in caplog.text


def test_results_of_other_runners_are_not_recorded(tmp_path: Path) -> None:
    """Nodes of threads share the process, and with it the number of threads that decides about the last bits."""
    run_as_kedro(tmp_path, {"params:a": 1}, ThreadRunner())
    assert list(tmp_path.rglob("first"))
    assert not list(tmp_path.rglob("provenance.json"))


def test_a_node_computes_with_the_threads_that_its_record_says(tmp_path: Path) -> None:
    graph, values = probes.pipeline(probes.look, {"a": "a"})
    run_as_kedro(tmp_path, values, SequentialRunner(), graph)
    (seen,) = (json.loads(path.read_text()) for path in tmp_path.glob("a/*/a"))
    assert seen["torch"] == 1
    assert set(seen["blas"]) <= {1}


def test_code_that_changes_while_a_node_runs_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(self: NodeCode, node: str) -> None:
        raise CodeChanged(node)

    monkeypatch.setattr(NodeCode, "check", changed)
    with pytest.raises(CodeChanged):
        run_as_kedro(tmp_path, {"params:a": 1}, SequentialRunner())
    assert not list(tmp_path.rglob("provenance.json"))


def test_our_runner_records_by_itself(tmp_path: Path) -> None:
    hooks = RecordingHooks()
    for runner, recorded in (("None", True), (str(SequentialRunner()), True), (str(ReusingRunner()), False)):
        hooks.before_pipeline_run({"run_id": VERSION, "runner": runner}, DataCatalog({}))
        assert (hooks._run is not None) == recorded
    hooks.before_pipeline_run({"run_id": VERSION, "runner": "None"}, DataCatalog({}))
    hooks.after_pipeline_run()
    assert hooks._run is None


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
