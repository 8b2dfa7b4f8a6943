"""Tables with planted signals, described without a catalog."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import planted

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.describe import nodes
from mixmas_pipeline.pipelines.describe.results import Description
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.resources import ComputeParameters

NAMES = ("photo", "facts")


METRICS = {"multiclass": "accuracy", "binary": "f1", "multilabel": "f1_weighted", "regression": "r2"}


COMPUTE = ComputeParameters(cores=1)


Splits = dict[str, MultimodalTable]


def made(task: str = "multiclass", names: tuple[str, ...] = NAMES, seed: int = 0, **more: Any) -> Splits:
    sizes = zip(planted.SPLITS, (500, 120, 150), strict=True)
    return {s: planted.planted(task, names, rows, 10 * seed + i, **more) for i, (s, rows) in enumerate(sizes)}


def settings(splits: Splits, **changes: Any) -> tuple[SearchParameters, TrainingParameters]:
    schema = splits["train"].schema
    section = planted.parameters(list(schema.modalities), METRICS[schema.task], **changes)
    return SearchParameters.model_validate(section["search"]), TrainingParameters.model_validate(section["training"])


def as_written(both: tuple[SearchParameters, TrainingParameters]) -> tuple[dict[str, Any], TrainingParameters]:
    return both[0].model_dump(), both[1]


def described(splits: Splits, **changes: Any) -> tuple[Description, pd.DataFrame]:
    tables = nodes.measure_tables(**splits)
    duplicates = nodes.find_duplicates(**splits)
    leaks = nodes.find_leaks(**splits)
    plan = nodes.plan_search(splits["train"], *as_written(settings(splits, **changes)))
    description, findings, figure = nodes.conclude(tables, duplicates, leaks, plan)
    assert figure.data
    assert description.search_would_stop == ("error" in set(findings["severity"]))
    return description, findings


def changed(table: MultimodalTable, **columns: Any) -> MultimodalTable:
    own = {name: getattr(table, name) for name in ("schema", "arrays", "labels", "ids", "extra", "present")}
    return MultimodalTable(**{**own, **columns})


def joined(table: MultimodalTable, other: MultimodalTable, prefix: str = "again ") -> MultimodalTable:
    return MultimodalTable(
        table.schema,
        {name: np.concatenate([array, other.arrays[name]]) for name, array in table.arrays.items()},
        np.concatenate([table.labels, other.labels]),
        [*table.ids, *(f"{prefix}{i}" for i in other.ids)],
        {name: np.concatenate([column, other.extra[name]]) for name, column in table.extra.items()},
        present={name: np.concatenate([there, other.present[name]]) for name, there in table.present.items()},
    )


def overlap(splits: Splits) -> None:
    splits["train"] = joined(splits["train"], splits["test"].take(np.arange(3)))
