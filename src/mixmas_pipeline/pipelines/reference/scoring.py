"""Scores of the reference models on the validation and test splits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from mixmas_pipeline.data.sampling import stratified_split
from mixmas_pipeline.data.table import MultimodalTable, concatenate
from mixmas_pipeline.evaluation.intervals import bootstrap_interval
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.models.reference import Kind, ReferenceModel
from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.references import fit_reference

REFITTED = "_refitted"


def fit_sets(
    kind: Kind, table: MultimodalTable, reference: ReferenceParameters, balance: str, metric: str
) -> list[ReferenceModel]:
    """A reference of all modalities, then one of each alone, fitted on a table's rows."""
    names = list(table.schema.modalities)
    singles = [[name] for name in names] if reference.each_modality and len(names) > 1 else []
    return [
        fit_timed(kind, table, modalities, reference, balance, reference.seed, metric)
        for modalities in (names, *singles)
    ]


def fit_timed(
    kind: Kind,
    table: MultimodalTable,
    modalities: Sequence[str],
    reference: ReferenceParameters,
    balance: str,
    seed: int,
    metric: str | None = None,
) -> ReferenceModel:
    """``fit_reference``; the model's description says how many seconds it took."""
    start = time.perf_counter()
    model = fit_reference(kind, table, modalities, seed, balance=balance, max_rows=reference.max_rows, metric=metric)
    seconds = round(time.perf_counter() - start, 3)
    model.architecture = model.architecture.model_copy(update={"seconds": seconds})
    return model


def join(train: MultimodalTable, validation: MultimodalTable, reference: ReferenceParameters) -> MultimodalTable:
    """The rows of both splits; if they are more than ``max_rows``, a stratified sample of each, in proportion."""
    share = min(1.0, reference.max_rows / (len(train) + len(validation)))
    return concatenate(*(_sample(table, share, reference.seed) for table in (train, validation)))


def _sample(table: MultimodalTable, share: float, seed: int) -> MultimodalTable:
    if share == 1:
        return table
    strata, _ = label_strata(table.schema.task, table.labels, table.schema.classes)
    return table.take(stratified_split(strata, [max(1, int(share * len(table)))], seed)[0])


def score_all(
    validation: MultimodalTable,
    test: MultimodalTable,
    reference: ReferenceParameters,
    metric: str,
    models: Mapping[str, Sequence[ReferenceModel]],
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """See ``nodes.score_references``."""
    rows: list[dict[str, Any]] = []
    logits: dict[str, np.ndarray] = {}
    for kind in (name for name in models if not name.endswith(REFITTED)):
        for first, final in zip(models[kind], models[f"{kind}{REFITTED}"], strict=True):
            modalities = " + ".join(first.architecture.inputs)
            on_test = _logits(final, test)
            logits[key(kind, modalities)] = on_test
            rows.append(
                {
                    "model": kind,
                    "modalities": modalities,
                    "metric": metric,
                    "positive": test.schema.positive,
                    **_scores(_logits(first, validation), on_test, validation, test, reference, metric),
                    "rows": first.architecture.rows,
                    "rows_refitted": final.architecture.rows,
                    "rows_test": len(test),
                    "features": final.architecture.features,
                    "parameters": final.architecture.size,
                    "seconds": final.architecture.seconds,
                    "bounded": "; ".join(final.architecture.bounded),
                }
            )
    return pd.DataFrame(rows), logits


def key(kind: str, modalities: str) -> str:
    """A reference's name among the logits."""
    return f"{kind}: {modalities}"


def _logits(model: ReferenceModel, table: MultimodalTable) -> np.ndarray:
    return compute_logits(model, table, torch.device("cpu"))[FUSED]


def _scores(
    on_validation: np.ndarray,
    on_test: np.ndarray,
    validation: MultimodalTable,
    test: MultimodalTable,
    reference: ReferenceParameters,
    metric: str,
) -> dict[str, float]:
    """Scores with their intervals or errors, and the area under the ROC curve, NaN for a regression."""
    task, classes = task_of(test.schema.task), test.schema.classes
    intervals = [
        bootstrap_interval(
            metric, table.labels, task.predict(logits), len(classes), reference.resamples, reference.seed
        )
        for table, logits in ((validation, on_validation), (test, on_test))
    ]
    all_scores = task.scores(test.labels, on_test, classes)
    return {
        "validation": intervals[0].value,
        "validation_error": intervals[0].error,
        "test": intervals[1].value,
        "low": intervals[1].low,
        "high": intervals[1].high,
        "auroc": all_scores.get("auroc", all_scores.get("auroc_macro", float("nan"))),
    }
