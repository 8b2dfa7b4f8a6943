"""Parameters reach the registry and the catalog, and the log names the data set."""

from __future__ import annotations

import logging
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.datasets.rows_file import RowsFileDataset
from mixmas_pipeline.hooks.project import ProjectHooks


def echo(value: object) -> object:
    return value


class Loader(dict[str, Any]):
    """What a context's configuration loader has of the parameters."""

    def __init__(self, parameters: dict[str, Any], runtime: dict[str, Any] | None) -> None:
        super().__init__(parameters=parameters)
        self.runtime_params = runtime


def context(parameters: dict[str, Any], runtime: dict[str, Any] | None = None) -> Any:
    return SimpleNamespace(config_loader=Loader(parameters, runtime))


def reading(dataset: str) -> Pipeline:
    return Pipeline([Node(echo, f"{dataset}.raw", f"{dataset}.train", name=f"data.{dataset}.read", namespace="data")])


def test_parameters_reach_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(pipeline_registry, "use_parameters", given.append)
    ProjectHooks().after_context_created(context({"dataset": "films"}))
    assert given == [{"dataset": "films"}]


@pytest.mark.parametrize(("rows", "added"), [("new.csv", True), (None, False)])
def test_rows_to_predict_become_a_data_set(rows: str | None, added: bool) -> None:
    catalog = DataCatalog()
    parameters = {"params:dataset": "films", "params:films.predict.rows": rows, "params:mimic.predict.rows": "not.csv"}
    ProjectHooks().after_catalog_created(catalog, parameters)
    assert list(catalog.keys()) == (["films.predict.file"] if added else [])
    if added:
        assert isinstance(catalog.get("films.predict.file"), RowsFileDataset)


def test_log_names_the_data_sets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ProjectHooks().before_pipeline_run(reading("films") + reading("pets"))
    assert caplog.messages == ["Data set: films, pets"]


@pytest.mark.parametrize(
    ("chosen", "run", "runtime", "warned"),
    [
        ("films", "films", None, True),
        ("films", "films", {"training.seed": 1}, True),
        ("films", "pets", None, False),
        ("films", "films", {"dataset": "films"}, False),
        ("pets", "films", None, False),
    ],
)
def test_a_forgotten_data_set_of_ones_own_is_named(
    chosen: str,
    run: str,
    runtime: dict[str, Any] | None,
    warned: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline_registry, "use_parameters", lambda parameters: None)
    hooks = ProjectHooks()
    hooks.after_context_created(context({"dataset": chosen, "films": {}, "pets": {"table": {}}}, runtime))
    hooks.before_pipeline_run(reading(run))
    assert ("does not use your data set pets. To use it, set dataset: pets in" in caplog.text) == warned


def test_settings_import_nothing_heavy() -> None:
    """Every command of Kedro imports them."""
    script = (
        "import sys, mixmas_pipeline.settings;"
        "heavy = 'torch pandas plotly matplotlib pyarrow PIL tensorboard'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
