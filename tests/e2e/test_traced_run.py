"""All that nodes execute is in their fingerprints. The closure is read from the source; here every node runs.

This guards reuse against stale results: a definition that is executed and does not count could change unseen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.framework.hooks.manager import _NullPluginManager
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline.node import Node
from kedro.runner.task import Task
from project_runs import make_project
from tracing import import_everything, traced

from mixmas_pipeline.runners.fingerprints import code_references
from mixmas_pipeline.utils.code_hash import SILENT, package_code

# Only texts for the log are made with these.
LOGGED = {("pipelines.describe.findings", "counted")}
PIPELINES = ("__default__", "describe", "compare", "validate_search", "export", "predict")
SECTION: dict[str, Any] = {
    "table": {
        "file": "pets.csv",
        "id": "name",
        "label": "sick",
        "task": "binary",
        "split": {"fractions": {"validation": 0.2, "test": 0.2}, "group": "owner"},
        "modalities": {
            "pulse": {"kind": "time_series", "columns": ["hr_*"], "optional": True},
            "facts": {"kind": "tabular", "columns": ["age", "breed"], "categories": ["breed"]},
        },
    },
    "search": {"budget": {"steps": 4, "extended_steps": 4, "seeds": [0, 1, 2], "race": {"seeds": 2}, "device": "cpu"}},
    "validate_search": {"space": {"pulse": ["mlp_mixer"], "facts": ["mlp_mixer"], "fusion_function": ["max"]}},
    "training": {"modality_dropout": 0.2},
    "export": {"formats": []},
    "predict": {"rows": "new.csv"},
}


def pets() -> pd.DataFrame:
    """160 pets of 80 owners, some without a pulse."""
    rng = np.random.default_rng(0)
    rows = np.arange(160)
    frame = pd.DataFrame({"name": [f"pet{i}" for i in rows], "owner": rows // 2, "age": rng.normal(8, 3, 160).round(3)})
    frame[[f"hr_{t}" for t in range(4)]] = np.where(rows[:, None] % 9 == 0, np.nan, rng.normal(80, 5, (160, 4)))
    frame["breed"] = rng.choice(["a", "b", "c"], 160)
    return frame.assign(sick=np.where(frame["age"] > 8, "yes", "no"))


@pytest.mark.slow
def test_all_that_nodes_execute_is_in_their_fingerprints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project")
    monkeypatch.chdir(project)
    pets().to_csv("pets.csv", index=False)
    pets().drop(columns=["sick", "owner"]).to_csv("new.csv", index=False)
    Path("conf/base/parameters_pets.yml").write_text(yaml.safe_dump({"pets": SECTION}))
    import_everything()
    bootstrap_project(project)
    missing: dict[str, set[tuple[str, str]]] = {}
    with KedroSession.create(project_path=project, env="test", runtime_params={"dataset": "pets"}) as session:
        catalog = session.load_context().catalog
        graph = sum((pipelines[name] for name in PIPELINES[1:]), pipelines[PIPELINES[0]])
        for node in graph.nodes:
            executed = executed_by(node, catalog)
            counted = {tuple(definition) for definition in package_code().closure(code_references(node, catalog))}
            assert executed & counted, f"{node.name} is traced"
            if uncounted := {entry for entry in executed - counted - LOGGED if not is_silent(entry[0])}:
                missing[node.name] = uncounted
    assert missing == {}


def executed_by(node: Node, catalog: Any) -> set[tuple[str, str]]:
    """Load, run and save, as a run does."""
    with traced() as trace:
        Task(node, catalog, is_async=False, hook_manager=_NullPluginManager()).execute()
    return trace.executed


def is_silent(module: str) -> bool:
    """Whether a module counts for nothing."""
    return any(f"{module}.".startswith(f"{name}.") for name in SILENT)
