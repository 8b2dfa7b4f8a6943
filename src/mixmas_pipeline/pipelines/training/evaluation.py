"""The finished model's one look at the test split: scores, predictions, mistakes."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.models.multimodal import MultimodalMixer
else:
    pd = lazy("pandas")

MISTAKES = 12
# With more modalities than these not every set of them is scored: there are 2^M - 1.
ALL_SETS = 6


def evaluate_model(
    model: Any,
    train: MultimodalTable,
    validation: MultimodalTable,
    test: MultimodalTable,
    training: TrainingParameters,
) -> tuple[dict[str, dict[str, float]], dict[str, float], pd.DataFrame, MultimodalTable, pd.DataFrame]:
    """Score the finished model. Reads the test split, as the comparison's last node does; nothing is chosen after it.

    Args:
        train: only its labels are read, for what one would answer without looking, and what its rows lack.
        training: how the model was trained.

    Returns:
        metrics: split -> score -> value; thresholds: of multilabel data, class -> the probability above which it is
        best set on the validation split (its scores on that split would flatter, so only the test split has them);
        predictions: one row a test example; mistakes: the test examples that the model got wrong with the greatest
        confidence, of a regression those with the largest errors; patterns: see ``score_patterns``.
    """
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED
    from mixmas_pipeline.training.trial import compute_logits, pick_device

    device = pick_device("auto")
    model = model.to(device)
    metrics, logits = {}, {}
    for split, table in (("validation", validation), ("test", test)):
        table.check()
        logits[split] = compute_logits(model, table, device)
        metrics[split] = _scores(logits[split], table, train)
    with_missing = training.modality_dropout > 0 or any(not there.all() for there in train.present.values())
    patterns = score_patterns(model, test, logits["test"][FUSED]).assign(trained_with_missing=with_missing)
    model.cpu()
    thresholds = _tuned(logits["validation"], validation)
    if thresholds:
        metrics["test"] |= _tuned_scores(logits["test"], test, np.array(list(thresholds.values())))
    task, classes = task_of(test.schema.task), test.schema.classes
    rows, how_bad = task.worst(test.labels, logits["test"][FUSED])
    rows, how_bad = (rows[:MISTAKES], how_bad[:MISTAKES]) if len(rows) else (np.arange(1), np.zeros(1))
    mistakes = test.take(rows)
    predicted = task.words(task.predict(logits["test"][FUSED][rows]), classes)
    mistakes.extra = {"predicted": np.array(predicted, dtype=object), task.badness: how_bad}
    return metrics, thresholds, predictions_table(logits["test"], test), mistakes, patterns


def score_patterns(model: MultimodalMixer, test: MultimodalTable, fused: np.ndarray) -> pd.DataFrame:
    """The task's headline score for every set of modalities that may be there: one row a set, the largest first. (Of
    more than ``ALL_SETS`` modalities: those that occur, each modality alone, and all but one.)

    Args:
        model: on the device to compute on.
        fused: its fused logits of the test split.

    Returns:
        pattern: names, joined by " + "; modalities: how many; metric; rows, score: of the test examples that have
        exactly these; rows_with_more, score_when_masked: of all that have at least these, where the model is shown
        nothing else. Scores are NaN where there are no such examples. (R2 needs two.)
    """
    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED
    from mixmas_pipeline.training.trial import compute_logits

    task, names = task_of(test.schema.task), list(model.architecture.inputs)
    device = next(model.parameters()).device
    there = np.column_stack([test.present.get(name, np.ones(len(test), bool)) for name in names])

    def scored(rows: np.ndarray, logits: np.ndarray) -> float:
        if rows.sum() < (2 if task.name == "regression" else 1):
            return float("nan")
        return score(task.headline, test.labels[rows], task.predict(logits[rows]), len(test.schema.classes))

    found = []
    for kept in (kept for size in range(len(names), 0, -1) for kept in combinations(names, size)):
        wanted = np.isin(names, kept)
        rows, exactly = np.all(there[:, wanted], axis=1), np.all(there == wanted, axis=1)
        if len(names) > ALL_SETS and 1 < len(kept) < len(names) - 1 and not exactly.any():
            continue
        logits = fused
        if rows.any() and not np.array_equal(rows, exactly):
            shown = dict(zip(names, (there & wanted).T, strict=True))
            logits = compute_logits(model, test, device, shown)[FUSED]
        found.append(
            {
                "pattern": " + ".join(kept),
                "modalities": len(kept),
                "metric": task.headline,
                "rows": int(exactly.sum()),
                "score": scored(exactly, fused),
                "rows_with_more": int(rows.sum()),
                "score_when_masked": scored(rows, logits),
            }
        )
    return pd.DataFrame(found)


def predictions_table(logits: dict[str, np.ndarray], table: MultimodalTable) -> pd.DataFrame:
    """One row an example: its id; truth (where the labels are known), decision and confidence; each head's decision;
    every class's probability. Of a regression truth, prediction and error of every target, and each head's.

    Args:
        logits: of every head, as ``compute_logits`` gives them.
        table: what they were computed from. The head of a modality says nothing of a row that lacks it.
    """
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED

    task, classes = task_of(table.schema.task), table.schema.classes
    columns = {"id": table.ids, **task.columns(table.labels if table.labelled else None, logits[FUSED], classes)}
    for head, values in logits.items():
        if head != FUSED and len(logits) > 2:
            said = task.head_columns(head, values, classes)
            if head in table.present:  # a head says nothing of an example that lacks its modality
                said = {name: pd.Series(column).where(table.present[head]) for name, column in said.items()}
            columns |= said
    return pd.DataFrame(columns | task.chances(logits[FUSED], classes))


def _scores(logits: dict[str, np.ndarray], table: MultimodalTable, train: MultimodalTable) -> dict[str, float]:
    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED

    task, classes, labels = task_of(table.schema.task), table.schema.classes, table.labels
    scores = task.scores(labels, logits[FUSED], classes)
    for head, values in logits.items():
        there = table.present.get(head, np.ones(len(table), bool))
        if head != FUSED and len(logits) > 2 and there.any():
            alone = score(task.headline, labels[there], task.predict(values[there]), len(classes))
            scores[f"{task.headline}, {head} head alone"] = alone
    return scores | task.blind_scores(train, labels, classes)


def _tuned(logits: dict[str, np.ndarray], validation: MultimodalTable) -> dict[str, float]:
    """Class -> threshold of its probability; none where the task is not multilabel."""
    from mixmas_pipeline.evaluation.metrics import best_thresholds
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED

    if validation.schema.task != "multilabel":
        return {}
    best = best_thresholds(validation.labels, task_of("multilabel").probabilities(logits[FUSED]))
    return dict(zip(validation.schema.classes, map(float, best), strict=True))


def _tuned_scores(logits: dict[str, np.ndarray], table: MultimodalTable, thresholds: np.ndarray) -> dict[str, float]:
    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.multimodal import FUSED

    guess = task_of("multilabel").probabilities(logits[FUSED]) > thresholds
    names = ("f1_macro", "f1_weighted", "f1_micro", "f1_samples")
    classes = len(table.schema.classes)
    return {f"{name}, thresholds tuned on validation": score(name, table.labels, guess, classes) for name in names}
