"""The node that scores the trained model, on rows that it was not trained on and on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable, TableSchema
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.evaluation.metrics import Metric
    from mixmas_pipeline.models.ensemble import Model
else:
    pd = lazy("pandas")
    Model = Any

MISTAKES = 12
RESAMPLES = 200
# With more modalities than these only some sets of modalities are scored: there are 2^M - 1.
ALL_SETS = 6


class Evaluation(NamedTuple):
    """Scores of the finished model.

    Attributes:
        metrics: split -> score -> value. "validation": of predictions by members that did not see the row, see
            ``ensembling.HeldOut``. "validation_split": of those of them that are of the validation split, without the
            heads. "test", and the limits of the scores' 95 % intervals, "test_low" and "test_high".
            "weights": of the members of an ensemble, see ``Ensemble.shares``.
            "positive_class": of a binary task, with its share of the test rows.
        "decision_weights": see ``EnsembleConfig``; only if a decision may differ from the most probable class.
        thresholds: of a single model of multilabel data, class -> the probability threshold with the best F1 on the
            held-out rows. Only the test split has scores with them: on the held-out rows they would flatter. An
            ensemble has none: its logits decide by its thresholds already.
        predictions: see ``predictions_table``.
        mistakes: the wrong test examples with the greatest confidence; for a regression those with the largest errors.
        patterns: see ``score_patterns``.
    """

    metrics: dict[str, dict[str, float]]
    thresholds: dict[str, float]
    predictions: pd.DataFrame
    mistakes: MultimodalTable
    patterns: pd.DataFrame


def evaluate_model(
    model: Model,
    held_out: dict[str, np.ndarray],
    train: MultimodalTable,
    validation: MultimodalTable,
    test: MultimodalTable,
    training: TrainingParameters,
) -> Evaluation:
    """Score the finished model. Reads the test split, as the comparison's last node does; nothing is chosen after it.

    Args:
        held_out: see ``ensembling.HeldOut``.
        train: read for labels and for the modalities that its rows lack.
        validation: read for the same.
        training: how the model was trained.
    """
    from mixmas_pipeline.evaluation.intervals import score_intervals
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.ensemble import Ensemble, decision_weights
    from mixmas_pipeline.models.multimodal import FUSED
    from mixmas_pipeline.training.ensembling import HeldOut
    from mixmas_pipeline.training.inference import compute_logits
    from mixmas_pipeline.utils.devices import pick_device
    from mixmas_pipeline.utils.resources import threads

    test.check()
    device, schema, task = pick_device("auto"), test.schema, task_of(test.schema.task)
    model = model.to(device)
    logits = compute_logits(model, test, device)
    trained_with_missing = training.modality_dropout > 0 or any(not mask.all() for mask in train.present.values())
    patterns = score_patterns(model, test, logits[FUSED], training.metric).assign(
        trained_with_missing=trained_with_missing
    )
    model.cpu()
    known = HeldOut.from_arrays(held_out)
    labels = np.concatenate([train.labels, validation.labels])[known.rows]
    present = {n: np.concatenate([mask, validation.present[n]])[known.rows] for n, mask in train.present.items()}
    in_order = {head: known.logits[head] for head in logits}
    of_split = known.rows >= len(train)
    weights = decision_weights(model)
    metrics = {
        "validation": _scores(in_order, labels, present, train, weights),
        "validation_split": task.scores(labels[of_split], in_order[FUSED][of_split], schema.classes),
        "test": _scores(logits, test.labels, test.present, train, weights),
    }
    metrics |= _about(model, test)
    # An ensemble's logits decide by its thresholds already.
    tunes = schema.task == "multilabel" and not isinstance(model, Ensemble)
    thresholds = _tuned_thresholds(known.logits[FUSED], labels, schema, weights) if tunes else {}
    if thresholds:
        metrics["test"] |= _tuned_scores(logits, test, np.array(list(thresholds.values())), weights)
    with threads(1):  # thousands of short operations, for which more threads wait for each other
        metrics["test_low"], metrics["test_high"] = score_intervals(
            lambda rows: task.scores(test.labels[rows], logits[FUSED][rows], schema.classes),
            len(test),
            RESAMPLES,
            training.seed,
        )
    predictions = predictions_table(logits, test, weights)
    return Evaluation(metrics, thresholds, predictions, _largest_mistakes(test, logits[FUSED], weights), patterns)


def _about(model: Model, test: MultimodalTable) -> dict[str, dict[str, float]]:
    """What ``Evaluation.metrics`` says of the model beside scores."""
    from mixmas_pipeline.models.ensemble import Ensemble, decision_weights

    classes, weights, found = test.schema.classes, decision_weights(model), {}
    if weights is not None:
        found["decision_weights"] = dict(zip(classes, weights, strict=True))
    if positive := test.schema.positive:
        found["positive_class"] = {positive: float(test.labels.mean())}
    if isinstance(model, Ensemble):
        found["weights"] = model.shares
    return found


def score_patterns(model: Model, test: MultimodalTable, fused: np.ndarray, metric: Metric) -> pd.DataFrame:
    """The score for every set of modalities that a row may have, one row per set, the largest first.
    (With more than ``ALL_SETS`` modalities: the sets that occur, each modality alone, and all but one.)

    Args:
        model: on the device to compute on.
        fused: its fused logits of the test split.
        metric: the score.

    Returns:
        pattern: names, joined by " + "; modalities: their number; metric; rows, score: of the test examples with
        exactly this set; rows_with_more, score_when_masked: of all with at least this set, where the model is shown
        nothing else. Scores are NaN without such examples. (R2 needs two.)
    """
    from mixmas_pipeline.models.multimodal import FUSED
    from mixmas_pipeline.training.inference import compute_logits

    names = list(model.architecture.inputs)
    device = next(model.parameters()).device
    present = np.column_stack([test.present.get(name, np.ones(len(test), bool)) for name in names])
    found = []
    for kept in (kept for size in range(len(names), 0, -1) for kept in combinations(names, size)):
        columns = np.isin(names, kept)
        at_least, exactly = np.all(present[:, columns], axis=1), np.all(present == columns, axis=1)
        if len(names) > ALL_SETS and 1 < len(kept) < len(names) - 1 and not exactly.any():
            continue
        masked = fused
        if at_least.any() and not np.array_equal(at_least, exactly):
            shown = dict(zip(names, (present & columns).T, strict=True))
            masked = compute_logits(model, test, device, shown)[FUSED]
        found.append(
            {
                "pattern": " + ".join(kept),
                "modalities": len(kept),
                "metric": metric,
                "rows": int(exactly.sum()),
                "score": _score_of(test, exactly, fused, metric),
                "rows_with_more": int(at_least.sum()),
                "score_when_masked": _score_of(test, at_least, masked, metric),
            }
        )
    return pd.DataFrame(found)


def predictions_table(
    logits: dict[str, np.ndarray], table: MultimodalTable, class_weights: Sequence[float] | None
) -> pd.DataFrame:
    """One row per example: its id; label (if the labels are known), prediction and confidence; each head's prediction;
    every class's probability. For a regression label, prediction and error of every target, and each head's prediction.

    Args:
        logits: of every head, as ``compute_logits`` gives them.
        table: the rows of the logits. The prediction of a modality's head is empty in rows that lack the modality.
        class_weights: those of the decision, see ``ensemble.decision_weights``.
    """
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED

    task, classes = task_of(table.schema.task), table.schema.classes
    labels = table.labels if table.labelled else None
    columns = {"id": table.ids, **task.prediction_columns(labels, logits[FUSED], classes, class_weights)}
    for head, values in logits.items():
        if head != FUSED and len(logits) > 2:
            added = task.head_columns(head, values, classes)
            if head in table.present:
                added = {name: pd.Series(column).where(table.present[head]) for name, column in added.items()}
            columns |= added
    return pd.DataFrame(columns | task.probability_columns(logits[FUSED], classes, class_weights))


def _score_of(table: MultimodalTable, rows: np.ndarray, logits: np.ndarray, metric: Metric) -> float:
    """The score of some rows; NaN if they are too few."""
    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.tasks import task_of

    task = task_of(table.schema.task)
    if rows.sum() < (2 if task.name == "regression" else 1):
        return float("nan")
    return score(metric, table.labels[rows], task.predict(logits[rows]), len(table.schema.classes))


def _scores(
    logits: dict[str, np.ndarray],
    labels: np.ndarray,
    present: dict[str, np.ndarray],
    train: MultimodalTable,
    class_weights: Sequence[float] | None,
) -> dict[str, float]:
    """The fused head's scores and calibration error, the headline score of each other head, and the dummy
    baseline's."""
    from mixmas_pipeline.evaluation.calibration import decisions, expected_calibration_error
    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED

    task, classes = task_of(train.schema.task), train.schema.classes
    scores = task.scores(labels, logits[FUSED], classes)
    if task.name != "regression":
        confidence, correct = decisions(task.probabilities(logits[FUSED], class_weights), labels)
        scores["expected_calibration_error"] = expected_calibration_error(confidence, correct)
    for head, values in logits.items():
        rows = present.get(head, np.ones(len(labels), bool))
        if head != FUSED and len(logits) > 2 and rows.any():
            alone = score(task.headline, labels[rows], task.predict(values[rows]), len(classes))
            scores[f"{task.headline}, {head} head alone"] = alone
    return scores | task.dummy_scores(train, labels, classes)


def _largest_mistakes(
    test: MultimodalTable, logits: np.ndarray, class_weights: Sequence[float] | None
) -> MultimodalTable:
    """The largest mistakes, with prediction and size as extra columns; without a mistake the first row, of size 0."""
    from mixmas_pipeline.evaluation.tasks import task_of

    task = task_of(test.schema.task)
    rows, sizes = task.mistakes(test.labels, logits, class_weights)
    rows, sizes = (rows[:MISTAKES], sizes[:MISTAKES]) if len(rows) else (np.arange(1), np.zeros(1))
    mistakes = test.take(rows)
    predicted = task.label_texts(task.predict(logits[rows]), test.schema.classes)
    mistakes.extra = {"predicted": np.array(predicted, dtype=object), task.error_size: sizes}
    return mistakes


def _tuned_thresholds(
    fused: np.ndarray, labels: np.ndarray, schema: TableSchema, class_weights: Sequence[float] | None
) -> dict[str, float]:
    """Class -> threshold of its probability."""
    from mixmas_pipeline.evaluation.metrics import best_thresholds
    from mixmas_pipeline.evaluation.tasks import task_of

    best = best_thresholds(labels, task_of("multilabel").probabilities(fused, class_weights))
    return dict(zip(schema.classes, map(float, best), strict=True))


def _tuned_scores(
    logits: dict[str, np.ndarray],
    table: MultimodalTable,
    thresholds: np.ndarray,
    class_weights: Sequence[float] | None,
) -> dict[str, float]:
    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED

    predicted = task_of("multilabel").probabilities(logits[FUSED], class_weights) > thresholds
    names = ("f1_macro", "f1_weighted", "f1_micro", "f1_samples")
    classes = len(table.schema.classes)
    return {f"{name}, thresholds tuned on validation": score(name, table.labels, predicted, classes) for name in names}
