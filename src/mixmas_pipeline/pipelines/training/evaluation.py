"""The finished model's one look at the test split: scores, predictions, mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

MISTAKES = 12


def evaluate_model(
    model: Any, train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable
) -> tuple[dict[str, dict[str, float]], dict[str, float], pd.DataFrame, MultimodalTable]:
    """Score the finished model. Reads the test split, as the comparison's last node does; nothing is chosen after it.

    Args:
        train: only its labels are read, for what one would answer without looking.

    Returns:
        metrics: split -> score -> value; thresholds: of multilabel data, class -> the probability above which it is
        best set on the validation split (its scores on that split would flatter, so only the test split has them);
        predictions: one row a test example; mistakes: the test examples that the model got wrong with the greatest
        confidence, of a regression those with the largest errors.
    """
    from mixmas_pipeline.learning.microbenchmark import compute_logits, pick_device
    from mixmas_pipeline.learning.tasks import task_of
    from mixmas_pipeline.mixers.model import FUSED

    device = pick_device("auto")
    model = model.to(device)
    metrics, logits = {}, {}
    for split, table in (("validation", validation), ("test", test)):
        table.check()
        logits[split] = compute_logits(model, table, device)
        metrics[split] = _scores(logits[split], table, train)
    model.cpu()
    thresholds = _tuned(logits["validation"], validation)
    if thresholds:
        metrics["test"] |= _tuned_scores(logits["test"], test, np.array(list(thresholds.values())))
    task, classes = task_of(test.schema.task), test.schema.classes
    rows, how_bad = task.worst(test.labels, logits["test"][FUSED])
    rows, how_bad = (rows[:MISTAKES], how_bad[:MISTAKES]) if len(rows) else (np.arange(1), np.zeros(1))
    mistakes = test.take(rows)
    predicted = task.words(task.predict(logits["test"][FUSED][rows]), classes)
    mistakes.extra = {"predicted": np.array(predicted, dtype=object), "confidence": how_bad}
    return metrics, thresholds, predictions_table(logits["test"], test), mistakes


def predictions_table(logits: dict[str, np.ndarray], table: MultimodalTable) -> pd.DataFrame:
    """One row an example: its id; truth (where the labels are known), decision and confidence; each head's decision;
    every class's probability. Of a regression truth, prediction and error of every target, and each head's.

    Args:
        logits: of every head, as ``compute_logits`` gives them.
        table: what they were computed from.
    """
    from mixmas_pipeline.learning.tasks import task_of
    from mixmas_pipeline.mixers.model import FUSED

    task, classes = task_of(table.schema.task), table.schema.classes
    columns = {"id": table.ids, **task.columns(table.labels if table.labelled else None, logits[FUSED], classes)}
    for head, values in logits.items():
        if head != FUSED and len(logits) > 2:
            columns |= task.head_columns(head, values, classes)
    return pd.DataFrame(columns | task.chances(logits[FUSED], classes))


def _scores(logits: dict[str, np.ndarray], table: MultimodalTable, train: MultimodalTable) -> dict[str, float]:
    from mixmas_pipeline.learning.metrics import score
    from mixmas_pipeline.learning.tasks import task_of
    from mixmas_pipeline.mixers.model import FUSED

    task, classes, labels = task_of(table.schema.task), table.schema.classes, table.labels
    scores = task.scores(labels, logits[FUSED], classes)
    for head, values in logits.items():
        if head != FUSED and len(logits) > 2:
            alone = score(task.headline, labels, task.predict(values), len(classes))
            scores[f"{task.headline}, {head} head alone"] = alone
    return scores | task.blind_scores(train, labels, classes)


def _tuned(logits: dict[str, np.ndarray], validation: MultimodalTable) -> dict[str, float]:
    """Class -> threshold of its probability; none where the task is not multilabel."""
    from mixmas_pipeline.learning.metrics import best_thresholds
    from mixmas_pipeline.learning.tasks import task_of
    from mixmas_pipeline.mixers.model import FUSED

    if validation.schema.task != "multilabel":
        return {}
    best = best_thresholds(validation.labels, task_of("multilabel").probabilities(logits[FUSED]))
    return dict(zip(validation.schema.classes, map(float, best), strict=True))


def _tuned_scores(logits: dict[str, np.ndarray], table: MultimodalTable, thresholds: np.ndarray) -> dict[str, float]:
    from mixmas_pipeline.learning.metrics import score
    from mixmas_pipeline.learning.tasks import task_of
    from mixmas_pipeline.mixers.model import FUSED

    guess = task_of("multilabel").probabilities(logits[FUSED]) > thresholds
    names = ("f1_macro", "f1_weighted", "f1_micro", "f1_samples")
    classes = len(table.schema.classes)
    return {f"{name}, thresholds tuned on validation": score(name, table.labels, guess, classes) for name in names}
