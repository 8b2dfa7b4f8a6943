"""Parameters reach the registry and the catalog, and the log names the data set."""

from __future__ import annotations

import logging
import subprocess
import sys
from types import SimpleNamespace

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.datasets.rows import RowsFileDataset
from mixmas_pipeline.hooks.project import ProjectHooks


def echo(value: object) -> object:
    return value


def test_parameters_reach_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(pipeline_registry, "use_parameters", given.append)
    ProjectHooks().after_context_created(SimpleNamespace(config_loader={"parameters": {"dataset": "films"}}))  # type: ignore[arg-type]
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
    pipeline = Pipeline(
        [
            Node(echo, "films.raw", "films.train", name="data.films.read", namespace="data"),
            Node(echo, "pets.raw", "pets.train", name="data.pets.read", namespace="data"),
        ]
    )
    with caplog.at_level(logging.INFO):
        ProjectHooks().before_pipeline_run(pipeline)
    assert caplog.messages == ["Data set: films, pets"]


def test_settings_import_nothing_heavy() -> None:
    """Every command of Kedro imports them."""
    script = (
        "import sys, mixmas_pipeline.settings;"
        "heavy = 'torch pandas plotly matplotlib pyarrow PIL tensorboard'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
