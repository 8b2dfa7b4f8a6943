"""Small tables of any task with up to six modalities, each of which tells something, and a project to run on them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog
from kedro.io.core import Version
from kedro.pipeline import Pipeline
from project_runs import make_project

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.pipelines.data_sets import DATA_SETS, DataSet
from mixmas_pipeline.session import ReusingSession
from mixmas_pipeline.utils.parameters import Parameters

# Kind, shape, tokeniser of every modality.
MODALITIES: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "photo": ("image", (3, 8, 8), {"type": "patches", "patch": 4}),
    "sound": ("audio", (8, 8), {"type": "patches", "patch": [2, 8]}),
    "notes": ("text", (6, 5), {"type": "projection"}),
    "pulse": ("time_series", (7, 3), {"type": "values"}),
    "facts": ("tabular", (5,), {"type": "values"}),
    "graph": ("embedding", (9,), {"type": "vector"}),
}
CLASSES = {
    "multiclass": ("red", "green", "blue"),
    "binary": ("well", "ill"),
    "multilabel": ("drama", "war", "music"),
    "regression": ("price", "age"),
}
SPLITS = ("train", "validation", "test")


def planted(
    task: str,
    names: Sequence[str],
    rows: int,
    seed: int,
    missing: dict[str, float] | None = None,
    targets: int = 2,
) -> MultimodalTable:
    """A table in which every modality carries a part of three hidden numbers, from which the labels follow.

    Args:
        names: of ``MODALITIES``.
        missing: modality -> share of the rows that lack it (of no row all).
        targets: of a regression; the first is about 5000, the second about 40.
    """
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 3))
    arrays, modalities, present = {}, {}, {}
    for number, name in enumerate(names):
        kind, shape, _ = MODALITIES[name]
        seen = hidden * (np.arange(3) % len(names) == number % 3 if len(names) > 1 else 1)
        pattern = np.random.default_rng(number).normal(size=(3, *shape))
        values = np.tensordot(seen, pattern, axes=1) + 0.3 * rng.normal(size=(rows, *shape))
        dtype, padded = "float32", kind == "text"
        if kind == "image":
            dtype, values = "uint8", (128 + 30 * values).clip(0, 255)
        if padded:
            dtype = "float16"
            values[np.arange(shape[0]) >= rng.integers(3, shape[0] + 1, rows)[:, None]] = 0
        arrays[name] = values.astype(dtype)
        if name in (missing or {}):
            present[name] = rng.random(rows) >= (missing or {})[name]
        modalities[name] = Modality(kind, shape, dtype, padded=padded, optional=name in (missing or {}))
    if len(present) == len(names):
        present[names[0]] |= ~np.any(list(present.values()), axis=0)
    for name, there in present.items():
        arrays[name][~there] = 0
    labels: np.ndarray
    if task == "regression":
        both = np.stack([5000 + 800 * hidden.sum(axis=1), 40 + 5 * (hidden[:, 0] - hidden[:, 1])], axis=1)
        labels = both[:, :targets].astype(np.float32)
    elif task == "binary":
        labels = (hidden.sum(axis=1) > 0.8).astype(np.int64)
    elif task == "multilabel":
        labels = (hidden > 0.3).astype(np.uint8)
    else:
        labels = hidden.argmax(axis=1)
    classes = CLASSES[task][:targets] if task == "regression" else CLASSES[task]
    schema = TableSchema(modalities, task, classes, source=f"planted {task}")  # type: ignore[arg-type]
    return MultimodalTable(schema, arrays, labels, [f"{seed}-{i}" for i in range(rows)], present=present)


def parameters(names: Sequence[str], metric: str, **changes: dict[str, Any]) -> dict[str, Any]:
    """A data set's section of the parameters: two candidates a modality, everything small.

    Args:
        changes: section -> what differs; deeper keys are merged.
    """

    def stage(name: str) -> dict[str, Any]:
        blocks = {"mlp": {"block": "mlp"}, "mixer": {"block": "mlp_mixer", "channel_dim": 12, "token_dim": 8}}
        return {
            "tokeniser": MODALITIES[name][2],
            "hidden_dim": 8,
            "depth": 1,
            "reference": "mixer",
            "candidates": blocks,
        }

    mixer = {"block": "mlp_mixer", "channel_dim": 12, "token_dim": 8}
    fusion = {"function": "concat", "network": {"depth": 1, "block": mixer}}
    encoders = {name: {"tokeniser": MODALITIES[name][2], "hidden_dim": 8, "depth": 1, "block": mixer} for name in names}
    optimiser = {"learning_rate": 0.02, "batch_size": 32}
    section: dict[str, Any] = {
        "search": {
            "sample": {"seed": 0, "margin": 0.08, "holdout_margin": 0.08, "balance": 0.1},
            "budget": {**optimiser, "steps": 40, "extended_steps": 40, "seeds": [0, 1], "device": "cpu"},
            "selection": {"metric": metric, "resamples": 50},
            "match": {"tolerance": None},
            "encoders": {name: stage(name) for name in names},
            "fusion_functions": ["concat", "mean"],
            "fusion_network": {"depth": 1, "reference": "mixer", "candidates": {"mixer": mixer}},
        },
        "training": {
            **optimiser,
            "seed": 0,
            "max_epochs": 12,
            "patience": 12,
            "metric": metric,
            "device": "cpu",
        },
        "reference": {"max_rows": 120, "resamples": 50},
        "compare": {
            "baseline": {"encoders": encoders, **({"fusion": fusion} if len(names) > 1 else {})},
            "learning_rates": [0.02],
            "tuning_seed": 9,
            "seeds": [0, 1],
            "resamples": 50,
        },
        "validate_search": {
            "space": {name: ["mixer"] for name in names[1:]},
            "truth": {"rows": 150, "epochs": 2, "seeds": [100, 101], "learning_rate": 0.01, "device": "cpu"},
            "proxy": {
                "rows": [100],
                "epochs": [2],
                "learning_rates": [0.02],
                "seeds": [1],
                "replicates": 2,
                "joint": False,
            },
        },
    }

    def merge(old: Any, new: Any) -> Any:
        if not (isinstance(old, dict) and isinstance(new, dict)):
            return new
        return {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}

    merged: dict[str, Any] = merge(section, changes)
    return merged


def make(folder: Path, section: dict[str, Any], splits: dict[str, MultimodalTable]) -> Path:
    """A project whose data set "planted" has these parameters and these tables."""
    project = make_project(folder)
    (project / "conf/base/parameters_planted.yml").write_text(yaml.safe_dump({"planted": section}))
    catalog = {}
    for split, table in splits.items():
        file = f"data/test/05_model_input/planted/{split}.arrow"
        catalog[f"planted.{split}"] = {
            "type": "mixmas_pipeline.datasets.table.TableDataset",
            "filepath": file,
            "versioned": True,
            "metadata": {"kedro-viz": {"layer": "model_input"}},
        }
        version = Version(None, "2026-01-01T00.00.00.000Z")
        TableDataset(filepath=str(project / file), version=version).save(table)
    (project / "conf/base/catalog_planted.yml").write_text(yaml.safe_dump(catalog))
    return project


@contextmanager
def known() -> Iterator[None]:
    """Makes "planted" a data set whose tables are there."""
    DATA_SETS["planted"] = DataSet(Parameters, lambda _: Pipeline([]))
    try:
        yield
    finally:
        del DATA_SETS["planted"]
        pipeline_registry.use_parameters(None)


def run(project: Path, *names: str, **changes: Any) -> DataCatalog:
    """Runs pipelines of the project in this process; the catalog that loads what they have made."""
    before = Path.cwd()
    os.chdir(project)
    try:
        with known():
            bootstrap_project(project)
            settings = {"dataset": "planted", **changes}
            with ReusingSession.create(project_path=project, env="test", runtime_params=settings) as session:
                session.run(pipeline_names=list(names))
            with ReusingSession.create(project_path=project, env="test", runtime_params=settings) as session:
                catalog: DataCatalog = session.load_context().catalog
                return catalog
    finally:
        os.chdir(before)
