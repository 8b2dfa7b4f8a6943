"""The contenders' one evaluation on the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric, predict, score
from mixmas_pipeline.evaluation.presence import has_any
from mixmas_pipeline.evaluation.significance import difference_error
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.models.reference import ReferenceModel
from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.pipelines.compare.results import BASELINE, Contender, TuningResult
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.utils.devices import pick_device
from mixmas_pipeline.utils.progress import Progress


@dataclass(frozen=True)
class TrainedContender:
    """A contender as its training has left it.

    Attributes:
        models: one per seed, in the order of the seeds.
        columns: of its row in the comparison: parameters, flops_per_example, learning_rate, rate_at_edge, epochs,
            seconds; those that do not apply to it are left out.
    """

    models: Sequence[MultimodalMixer | ReferenceModel]
    columns: dict[str, Any]


def trained(
    contender: Contender, tuned: TuningResult, history: pd.DataFrame, models: Sequence[MultimodalMixer]
) -> TrainedContender:
    """A network.

    Args:
        contender: architecture and cost.
        tuned: its learning rate.
        history: one row per seed and epoch.
        models: one per seed.
    """
    by_seed = history.groupby("seed")
    columns = {
        "parameters": contender.parameters,
        "flops_per_example": contender.flops,
        "learning_rate": tuned.learning_rate,
        "rate_at_edge": tuned.at_edge,
        "epochs": float(by_seed.size().mean()),
        "seconds": float(by_seed["seconds"].sum().mean()),
    }
    return TrainedContender(models, columns)


def fitted(models: Sequence[ReferenceModel], seeds: Sequence[int]) -> TrainedContender:
    """A reference model: one fit per seed, or one that serves all seeds."""
    descriptions = [model.architecture for model in models]
    columns = {
        "parameters": round(float(np.mean([description.size for description in descriptions]))),
        "seconds": float(np.mean([description.seconds or 0.0 for description in descriptions])),
    }
    return TrainedContender(models if len(models) > 1 else [models[0]] * len(seeds), columns)


def compare_contenders(
    train: MultimodalTable,
    validation: MultimodalTable,
    test: MultimodalTable,
    compare: CompareParameters,
    metric: Metric,
    contenders: Mapping[str, TrainedContender],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score each contender's models on the test split, and their differences from the baseline.

    Args:
        train: only its labels are read, for the dummy baseline.
        validation, test: to score on.
        compare: seeds, intervals, published scores.
        metric: the score.
        contenders: name -> trained contender, the baseline among them.

    Returns:
        comparison: one row per contender, then the dummy baseline; scores are means over seeds; ``low`` and ``high``
        bound the difference from the baseline, paired by seed and by example.
        predictions: one row per test example; the labels that each contender predicts with each seed.
    """
    task, classes = task_of(test.schema.task), len(test.schema.classes)
    dummy = task.dummy_prediction(train)
    with Progress(2 * len(contenders) * len(compare.seeds), "Scoring models") as progress:
        on_validation = {name: _predict(c.models, validation, dummy, progress) for name, c in contenders.items()}
        on_test = {name: _predict(c.models, test, dummy, progress) for name, c in contenders.items()}
    rows: list[dict[str, Any]] = []
    for name, contender in contenders.items():
        scores = [score(metric, test.labels, predicted, classes) for predicted in on_test[name]]
        validation_scores = [score(metric, validation.labels, p, classes) for p in on_validation[name]]
        difference = _difference(on_test[name], on_test[BASELINE], test, compare, metric)
        rows.append(_row(name, contender.columns, scores, validation_scores, difference, compare))
    dummy_score = score(metric, test.labels, np.broadcast_to(dummy, test.labels.shape), classes)
    rows.append({"contender": task.dummy, "score": dummy_score})
    comparison = pd.DataFrame(rows).astype({"published": float})
    comparison.insert(0, "source", test.schema.source)
    comparison.insert(2, "metric", metric)
    comparison.insert(3, "positive", test.schema.positive)
    return comparison, _predictions(test, on_test, compare.seeds)


def _row(
    name: str,
    columns: dict[str, Any],
    scores: Sequence[float],
    validation_scores: Sequence[float],
    difference: dict[str, float],
    compare: CompareParameters,
) -> dict[str, Any]:
    published: dict[str, float | None] = dict(compare.published.items())
    return {
        "contender": name,
        "score": float(np.mean(scores)),
        "spread": float(np.std(scores, ddof=1)),
        "validation_score": float(np.mean(validation_scores)),
        **difference,
        **columns,
        "published": published.get(name),
        **{f"seed_{seed}": value for seed, value in zip(compare.seeds, scores, strict=True)},
    }


def _predict(
    models: Sequence[MultimodalMixer | ReferenceModel], table: MultimodalTable, dummy: np.ndarray, progress: Progress
) -> np.ndarray:
    """Labels that each model predicts, (models, rows[, classes]); ``dummy`` for rows without any of its modalities."""
    device = pick_device("auto")
    predictions = []
    for model in models:
        predicted = predict(compute_logits(model.to(device), table, device)[FUSED], table.schema.task)
        predicted[~has_any(table, model.architecture.inputs)] = dummy
        predictions.append(predicted)
        progress.advance()
    return np.array(predictions)


def _difference(
    predicted: np.ndarray, baseline: np.ndarray, test: MultimodalTable, compare: CompareParameters, metric: str
) -> dict[str, float]:
    """Mean difference from the baseline and its interval.

    The interval is Student's t over the seeds times a standard error that adds the noise of seeds and of examples in
    quadrature. The degrees of freedom are those of the seeds, so it is conservative.
    """
    if predicted is baseline:
        return {"difference": 0.0, "low": 0.0, "high": 0.0}
    labels, classes = test.labels, len(test.schema.classes)
    differences = [
        score(metric, labels, a, classes) - score(metric, labels, b, classes)
        for a, b in zip(predicted, baseline, strict=True)
    ]
    error = difference_error(metric, labels, predicted, baseline, classes, compare.resamples, 0)
    half = t.ppf((1 + compare.confidence) / 2, len(predicted) - 1) * error
    mean = float(np.mean(differences))
    return {"difference": mean, "low": mean - half, "high": mean + half}


def _predictions(test: MultimodalTable, predicted: Mapping[str, np.ndarray], seeds: Sequence[int]) -> pd.DataFrame:
    columns = {"id": test.ids, **_columns("label", test.labels, test)}
    for name, by_seed in predicted.items():
        for seed, labels in zip(seeds, by_seed, strict=True):
            columns |= _columns(f"{name}_seed_{seed}", labels, test)
    return pd.DataFrame(columns)


def _columns(name: str, labels: np.ndarray, test: MultimodalTable) -> dict[str, np.ndarray]:
    """Predictions as columns: class indices; sets of labels as strings of 0 and 1; one column per regression target."""
    if test.schema.task == "regression":
        return {f"{name}_{target}": column for target, column in zip(test.schema.classes, labels.T, strict=True)}
    if labels.ndim == 1:
        return {name: labels}
    return {name: np.array(["".join(map(str, row)) for row in labels.astype(int)])}
