"""The DAG that `kedro airflow create` makes: valid Python, a task a node, in the order of the data."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from graphs import pipelines
from project_runs import kedro, make_project
from run_results import started
from shared_runs import Run, SharedRuns

pytest.importorskip("kedro_airflow", reason="makes Airflow DAGs: pip install kedro-airflow")


class Operator:
    """Stands for Airflow's BashOperator, which is too large to be installed beside the project."""

    made: dict[str, Operator]

    def __init__(self, *, task_id: str, bash_command: str, cwd: str, append_env: bool) -> None:
        assert append_env, "else the task has neither credentials nor a search path"
        self.command, self.cwd = bash_command, cwd
        self.upstream: set[str] = set()
        Operator.made[task_id] = self

    def set_upstream(self, others: list[Operator]) -> None:
        names = {id(task): name for name, task in Operator.made.items()}
        self.upstream = {names[id(other)] for other in others}


class Dag:
    """Stands for Airflow's DAG."""

    arguments: dict[str, Any]

    def __init__(self, **arguments: Any) -> None:
        Dag.arguments = arguments

    def __enter__(self) -> Dag:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    Operator.made = {}
    for name in ("airflow", "airflow.sdk", "airflow.providers", "airflow.providers.standard"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["airflow.sdk"], "DAG", Dag, raising=False)
    operators, bash = (ModuleType(f"airflow.providers.standard.operators{end}") for end in ("", ".bash"))
    bash.BashOperator = Operator  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, operators.__name__, operators)
    monkeypatch.setitem(sys.modules, bash.__name__, bash)


def test_dag_has_a_task_a_node_in_the_order_of_the_data(tmp_path: Path, airflow: None) -> None:
    project = make_project(tmp_path / "project")
    made = kedro(project, "airflow", "create", "--jinja-file=conf/airflow_dag.j2", "--env=test", "--pipelines=compare")
    assert made.returncode == 0, made.stdout + made.stderr
    (file,) = (project / "airflow_dags").iterdir()
    runpy.run_path(str(file))
    pipeline = pipelines("test")["compare"]
    assert Operator.made.keys() == {node.name for node in pipeline.nodes}
    for node, needed in pipeline.node_dependencies.items():
        task = Operator.made[node.name]
        assert task.upstream == {other.name for other in needed}
        assert task.command == f".venv/bin/kedro run --env=test --pipelines=compare --nodes={node.name}"
        assert task.cwd == "/opt/mixmas_pipeline"
    assert Dag.arguments["dag_id"] == "mixmas_pipeline.test.compare"
    assert Dag.arguments["schedule"] is None
    assert Dag.arguments["default_args"]["retries"] == 2


def test_a_task_whose_outputs_are_there_does_nothing(shared_runs: SharedRuns, finished: Run) -> None:
    node = next(name for name in started(finished.output) if name.endswith("image.train_ramlp"))
    task = shared_runs.run("run", "--env=test", "--pipelines=__default__", f"--nodes={node}", after=finished)
    assert f"Reused: {node}" in task.words
    assert started(task.output) == []
