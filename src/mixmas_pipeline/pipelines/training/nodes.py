"""Nodes of full training: architecture and tables in; model, history, scores and predictions out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.lazy import lazy
from mixmas_pipeline.learning.parameters import TrainingParameters
from mixmas_pipeline.pipelines.training.fitting import Scratch, with_statistics

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.mixers.model import MultimodalMixer
else:
    pd = lazy("pandas")

MISTAKES = 12
# What is answered without looking, by task.
MOST_FREQUENT = {"multiclass": "most frequent class", "multilabel": "most frequent labels"}


def train_model(
    architecture: dict[str, Any],
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    scratch: Path,
) -> tuple[Any, pd.DataFrame]:
    """Train the architecture on the whole training split; early stopping watches the validation split.

    Inputs are standardised with the training split's statistics, not the search sample's.

    Returns:
        The best epoch's model; the history, one row an epoch.
    """
    for table in (train, validation):
        table.check()
    work = Scratch(scratch)
    model, history = work.fit(with_statistics(architecture, train), train, validation, training)
    work.sweep()
    return model, history


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
        confidence.
    """
    from mixmas_pipeline.learning.microbenchmark import compute_logits, pick_device

    device = pick_device("auto")
    model = model.to(device)
    metrics, logits = {}, {}
    for split, table in (("validation", validation), ("test", test)):
        table.check()
        logits[split] = compute_logits(model, table, device)
        metrics[split] = _scores(logits[split], table, most_frequent(train))
    thresholds = _tuned(logits["validation"], validation)
    if thresholds:
        metrics["test"] |= _tuned_scores(logits["test"], test, np.array(list(thresholds.values())))
    predictions = _predictions(model.cpu(), logits["test"], test)
    wrong = predictions.index[~predictions["correct"]].to_numpy()
    surest = wrong[np.argsort(-predictions["confidence"].to_numpy()[wrong], kind="stable")][:MISTAKES]
    shown = surest if len(surest) else np.arange(1)
    mistakes = test.take(shown)
    mistakes.extra = {
        "predicted": predictions["predicted"].to_numpy(dtype=object)[shown],
        "confidence": predictions["confidence"].to_numpy()[shown],
    }
    return metrics, thresholds, predictions, mistakes


def _scores(logits: dict[str, np.ndarray], table: MultimodalTable, frequent: np.ndarray) -> dict[str, float]:
    from mixmas_pipeline.learning.metrics import METRICS, predict, score
    from mixmas_pipeline.mixers.model import FUSED

    task, classes, labels = table.schema.task, len(table.schema.classes), table.labels
    names = ["accuracy", "f1_macro", "f1_weighted"] if task == "multiclass" else list(METRICS)
    fused = predict(logits[FUSED], task)
    scores = {name: score(name, labels, fused, classes) for name in names}
    scores |= _ranking_scores(logits[FUSED], labels, task)
    headline = "accuracy" if task == "multiclass" else "f1_weighted"
    for head, values in logits.items():
        if head != FUSED and len(logits) > 2:
            scores[f"{headline}, {head} head alone"] = score(headline, labels, predict(values, task), classes)
    blind = np.broadcast_to(frequent, labels.shape)
    scores[f"{headline}, {MOST_FREQUENT[task]}"] = score(headline, labels, blind, classes)
    return scores


def _tuned(logits: dict[str, np.ndarray], validation: MultimodalTable) -> dict[str, float]:
    """Class -> threshold of its probability; none where the task is not multilabel."""
    from mixmas_pipeline.learning.metrics import best_thresholds
    from mixmas_pipeline.mixers.model import FUSED

    if validation.schema.task != "multilabel":
        return {}
    best = best_thresholds(validation.labels, _probabilities(logits[FUSED], "multilabel"))
    return dict(zip(validation.schema.classes, map(float, best), strict=True))


def _tuned_scores(logits: dict[str, np.ndarray], table: MultimodalTable, thresholds: np.ndarray) -> dict[str, float]:
    from mixmas_pipeline.learning.metrics import score
    from mixmas_pipeline.mixers.model import FUSED

    guess = _probabilities(logits[FUSED], "multilabel") > thresholds
    names = ("f1_macro", "f1_weighted", "f1_micro", "f1_samples")
    classes = len(table.schema.classes)
    return {f"{name}, thresholds tuned on validation": score(name, table.labels, guess, classes) for name in names}


def _probabilities(logits: np.ndarray, task: str) -> np.ndarray:
    import torch

    values = torch.from_numpy(logits)
    return (values.sigmoid() if task == "multilabel" else values.softmax(dim=1)).numpy().astype(np.float64)


def _ranking_scores(logits: np.ndarray, labels: np.ndarray, task: str) -> dict[str, float]:
    """Area under each class's ROC curve (one against the rest) and its average precision, means over the classes that
    have both examples and counterexamples."""
    import torch
    from torchmetrics.functional.classification import multilabel_auroc, multilabel_average_precision

    classes = logits.shape[1]
    truth = labels.astype(bool) if task == "multilabel" else labels[:, None] == np.arange(classes)
    decided = truth.any(axis=0) & ~truth.all(axis=0)
    scores = torch.from_numpy(_probabilities(logits, task)).float()
    target = torch.from_numpy(truth).long()
    auroc = multilabel_auroc(scores, target, classes, average=None).numpy()[decided]
    precision = multilabel_average_precision(scores, target, classes, average=None).numpy()[decided]
    return {"auroc_macro": float(auroc.mean()), "average_precision_macro": float(precision.mean())}


def most_frequent(table: MultimodalTable) -> np.ndarray:
    """What one would always answer without looking: the most frequent class; of multilabel data as many of the most
    frequent labels as give the best weighted F1 on this (the training) split."""
    from mixmas_pipeline.learning.metrics import score

    matrix = table.label_matrix()
    counts = matrix.sum(axis=0)
    if table.schema.task != "multilabel":
        return counts.argmax()
    order = counts.argsort(kind="stable")[::-1]
    answers = [np.isin(np.arange(len(counts)), order[:k]) for k in range(1, len(counts) + 1)]
    return max(answers, key=lambda a: score("f1_weighted", matrix, np.broadcast_to(a, matrix.shape), len(counts)))


def _predictions(model: MultimodalMixer, logits: dict[str, np.ndarray], table: MultimodalTable) -> pd.DataFrame:
    """Truth, decision, its confidence, each head's decision and every class's probability, one row an example."""
    from mixmas_pipeline.learning.metrics import predict
    from mixmas_pipeline.mixers.model import FUSED

    task, classes = table.schema.task, np.array(table.schema.classes)

    def names(labels: np.ndarray) -> list[str]:
        if task == "multilabel":
            return [", ".join(classes[row]) for row in labels.astype(bool)]
        return list(classes[labels])

    probabilities = _probabilities(logits[FUSED], task)
    predicted = predict(logits[FUSED], task)
    correct = predicted == table.labels
    certainty = np.maximum(probabilities, 1 - probabilities).mean(1) if task == "multilabel" else probabilities.max(1)
    frame = pd.DataFrame(
        {
            "id": table.ids,
            "label": names(table.labels),
            "predicted": names(predicted),
            "correct": correct.all(axis=1) if correct.ndim == 2 else correct,
            "confidence": certainty,
        }
    )
    for head, values in logits.items():
        if head != FUSED and len(logits) > 2:
            frame[f"{head}_head"] = names(predict(values, task))
    for c, name in enumerate(classes):
        frame[f"probability_{name}"] = probabilities[:, c]
    return frame
