"""The hook that logs each run for TensorBoard and ``kedro runs``: parameters, artefacts, scores, curves.

The log of a run has what it reused too, so that it is complete. A run is logged if it has a version that no log has: a
run that makes nothing is not logged, and the next run logs one that was killed while it logged.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import platform
import subprocess
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, CatalogProtocol
from kedro.io.core import VersionNotFoundError
from kedro.pipeline import Pipeline

from mixmas_pipeline.hooks import data_sets
from mixmas_pipeline.storage.paths import without_secrets
from mixmas_pipeline.utils.markdown import literal

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.datasets.runs import Record, RunLog

_log = logging.getLogger(__name__)
# Arguments of `kedro run` that select a part of a pipeline. Such a run, an Airflow task for example, is not logged.
_PARTS = ("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs", "namespaces")
_LIBRARIES = (
    "kedro",
    "mixmas_pipeline",
    "torch",
    "pytorch-lightning",
    "numpy",
    "pandas",
    "transformers",
)
# The data set's parameters that the HParams table shows.
_KEY_PARAMETERS = (
    *(f"search.sample.{name}" for name in ("seed", "margin")),
    *(f"search.budget.{name}" for name in ("steps", "seeds", "batch_size", "learning_rate")),
    *(f"training.{name}" for name in ("seed", "max_epochs", "patience", "batch_size", "learning_rate", "weight_decay")),
)
_NOT_SCORES = ("positive_class", "decision_weights")  # among a model's metrics; named after classes
_TABLES = ("leaderboard", "patterns", "comparison", "agreement")
_PICTURES = {
    "examples": "examples",
    "mistakes_picture": "mistakes",
    "architecture_drawing": "drawing of the architecture",
}


class TrackingHooks:
    """Log a run at its end; ``tracking: false`` turns it off."""

    def __init__(self) -> None:
        # A session loads its context and runs its pipeline in one thread.
        self._session = threading.local()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters as configured: the catalog has only those that the pipeline reads, with defaults."""
        self._session.parameters = context.config_loader["parameters"]

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Log the run, unless an earlier log has the same versions."""
        parameters = self._session.parameters
        if not parameters.get("tracking", True) or any(run_params.get(part) for part in _PARTS):
            return
        for dataset in data_sets(pipeline):
            runs: Any = catalog.get(f"{dataset}.runs")
            artefacts = _versions_of(pipeline, catalog, dataset)
            if not any(record.covers(artefacts) for record in runs.load()):
                runs.save(_gather(dataset, artefacts, parameters, run_params, catalog))
                _log.info("Logged for TensorBoard and `kedro runs`: %s", runs.folder(run_params["run_id"]))


def flatten(tree: dict[str, Any], separator: str = ".") -> dict[str, Any]:
    """Flatten nested dictionaries: "a.b" -> value. Lists are values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= {f"{key}{separator}{inner}": leaf for inner, leaf in flatten(value, separator).items()}
        else:
            flat[str(key)] = _shown(value)
    return flat


def _shown(value: Any) -> Any:
    """A value, or a list of them, without the secrets of addresses."""
    if isinstance(value, list):
        return [_shown(inner) for inner in value]
    return without_secrets(value) if isinstance(value, str) else value


def _versions_of(pipeline: Pipeline, catalog: CatalogProtocol, dataset: str) -> dict[str, str]:
    """Each versioned data set of the pipeline -> its newest version."""
    versions = {}
    for name in sorted(pipeline.datasets()):
        artefact = catalog.get(name) if name.startswith(f"{dataset}.") else None
        if isinstance(artefact, AbstractVersionedDataset):
            try:
                version = artefact.resolve_load_version()
            except VersionNotFoundError:
                continue
            if version is not None:
                versions[name] = version
    return versions


def _gather(
    dataset: str, artefacts: dict[str, str], parameters: dict[str, Any], given: dict[str, Any], catalog: CatalogProtocol
) -> RunLog:
    from mixmas_pipeline.datasets.runs import RunLog

    def load(*kinds: str) -> Iterator[tuple[str, Any]]:
        for kind in kinds:
            if (name := f"{dataset}.{kind}") in artefacts:
                yield kind, catalog.get(name).load()  # type: ignore[union-attr]

    tables = dict(load(*_TABLES))
    values = dict(load("metrics", "prediction_summary", "agreement_summary", "architecture"))
    record = _record(dataset, artefacts, parameters, given, tables, values)
    texts = {title: _markdown(list(table), table.itertuples(index=False)) for title, table in tables.items()}
    if "architecture" in values:
        texts["architecture"] = f"```\n{json.dumps(values['architecture'].model_dump(mode='json'), indent=2)}\n```"
    paths = {name: str(catalog.get(name)._get_load_path()) for name in artefacts}  # type: ignore[union-attr]
    texts["parameters"] = _markdown(["parameter", "value"], record.parameters.items())
    texts["artefacts"] = _markdown(["data set", "version", "path"], ((n, v, paths[n]) for n, v in artefacts.items()))
    texts["run"] = _markdown(["", ""], {**record.versions, "arguments": given.get("runtime_params") or {}}.items())
    pictures = {_PICTURES[kind]: png for kind, png in load(*_PICTURES)}
    histories = [n.removeprefix(f"{dataset}.") for n in artefacts if n.endswith(".history")]
    histories = [n for n in histories if not n.startswith("training.")]  # the members' are part of the ensemble's
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for kind, history in load(*histories):
        folder = "training" if kind == "history" else kind.removesuffix(".history").replace(".", "/")
        curves[folder] = _history_curves(history)
    for _, losses in load("losses"):
        for (candidate, stage, seed), rows in losses.groupby(["candidate", "stage", "seed"], sort=False):
            curve = curves.setdefault(f"search/{candidate}", {})
            curve[f"search loss, {stage}/seed {seed}"] = list(zip(rows["step"], rows["loss"], strict=True))
    return RunLog(record, texts, pictures, curves)


def _record(
    dataset: str,
    artefacts: dict[str, str],
    parameters: dict[str, Any],
    given: dict[str, Any],
    tables: dict[str, pd.DataFrame],
    values: dict[str, Any],
) -> Record:
    from mixmas_pipeline.datasets.runs import Record

    kept = flatten({key: parameters[key] for key in (dataset, "compute") if key in parameters})
    scores = values.get("metrics", {})
    metrics = _numbers({name: part for name, part in scores.items() if name not in _NOT_SCORES})
    for kind, prefix in (("prediction_summary", "predict/"), ("agreement_summary", "validate_search/")):
        if kind in values:
            metrics |= _numbers(values[kind].model_dump(), prefix)
    if "comparison" in tables:
        rows = tables["comparison"]
        metrics |= {f"compare/{name}": float(s) for name, s in zip(rows["contender"], rows["score"], strict=True)}
    chosen = {}
    if "leaderboard" in tables:
        chosen_rows = tables["leaderboard"].query("chosen")
        chosen = dict(zip(chosen_rows["stage"], chosen_rows["candidate"], strict=True))
        metrics |= {
            f"search/{stage}": float(s) for stage, s in zip(chosen_rows["stage"], chosen_rows["mean"], strict=True)
        }
    return Record(
        run=given["run_id"],
        dataset=dataset,
        environment=given.get("env") or "",
        pipeline=", ".join(given["pipeline_names"] or ["__default__"]),
        metric=kept[f"{dataset}.training.metric"],
        chosen=chosen,
        parameters=kept,
        key_parameters=[name for key in _KEY_PARAMETERS if (name := f"{dataset}.{key}") in kept],
        metrics=metrics,
        artefacts=artefacts,
        versions=_versions(given["project_path"]),
        positive=next(iter(scores.get("positive_class", {})), ""),
    )


def _numbers(tree: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Every number in nested dictionaries: "a/b" -> value."""
    return {
        prefix + name: float(value)
        for name, value in flatten(tree, "/").items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _versions(project: str) -> dict[str, str]:
    """Versions of Python, the libraries and this project; the commit of the project folder, if it is in git."""
    versions = {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _LIBRARIES}}
    describe = ["git", "-C", str(project), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        commit = subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:  # git is not installed
        commit = ""
    return versions | ({"commit": commit} if commit else {})


def _history_curves(history: pd.DataFrame) -> dict[str, list[tuple[int, float]]]:
    """One curve per column, over epochs; with several seeds or members, one per column and seed or member."""
    columns = [name for name in history if name not in ("epoch", "seed", "member")]
    by = next((name for name in ("seed", "member") if name in history), None)
    if by is None:
        return {f"training/{name}": list(zip(history["epoch"], history[name], strict=True)) for name in columns}
    return {
        f"training, {by} {number}/{name}": list(zip(rows["epoch"], rows[name], strict=True))
        for number, rows in history.groupby(by)
        for name in columns
    }


def _markdown(header: list[str], rows: Any) -> str:
    def line(cells: Any) -> str:
        return "| " + " | ".join(literal(_cell(cell)) for cell in cells) + " |"

    return "\n".join([line(header), "|" + " --- |" * len(header), *map(line, rows)])


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
