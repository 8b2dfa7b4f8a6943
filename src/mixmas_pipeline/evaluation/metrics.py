"""Scores of predicted labels.

The metrics of classes take (n,) class indices or (n, classes) booleans for any task: they work on the label matrix. The
metric of a regression takes (n, targets) numbers.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Metric = Literal["accuracy", "f1_macro", "f1_weighted", "f1_micro", "f1_samples", "f1", "r2"]
METRICS = ("accuracy", "f1_macro", "f1_weighted", "f1_micro", "f1_samples", "f1", "r2")

_LEAST_OF_LABELS = 0.1
_WORTH = 0.005  # what a threshold other than 0.5 has to promise
_APART = 1e-5  # probabilities that are closer are the same


def predict(logits: np.ndarray, task: str) -> np.ndarray:
    """Labels from logits: the largest; for "multilabel" all above 0; for "regression" the logits themselves."""
    if task == "regression":
        return logits
    return logits > 0 if task == "multilabel" else logits.argmax(axis=-1)


def best_thresholds(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The threshold of each class with the best F1, (classes,). A label is set if its score is above the threshold.

    A threshold lies halfway between two scores that occur. Of equally good ones the one closest to 0.5 is taken; a
    class without examples gets 0.5. Measure scores made with the thresholds on other data than these.

    Args:
        labels: (n, classes) 0 and 1.
        scores: (n, classes), probabilities.
    """
    thresholds = np.full(labels.shape[1], 0.5)
    for c in np.flatnonzero(labels.any(axis=0)):
        values, positions = np.unique(scores[:, c], return_inverse=True)
        of_value = np.bincount(positions, labels[:, c], len(values))
        above = np.bincount(positions, minlength=len(values))
        # Cutting below the i-th value takes it and all larger ones.
        hits, taken = of_value[::-1].cumsum()[::-1], above[::-1].cumsum()[::-1]
        f1 = 2 * hits / (taken + labels[:, c].sum())
        cuts = (np.concatenate([[0.0], values[:-1]]) + values) / 2
        cuts[0] = np.nextafter(cuts[0], -1)  # below a score of 0, too
        best = np.flatnonzero(f1 >= f1.max() - 1e-12)
        thresholds[c] = cuts[best[np.abs(cuts[best] - 0.5).argmin()]]
    return thresholds


def expected_thresholds(probabilities: np.ndarray, metric: str, task: str) -> np.ndarray:
    """The thresholds of probabilities that promise the best score, if the probabilities are right: (1,) of a binary
    task's second class, (classes,) of several labels.

    The hits of a threshold are the sum of the probabilities above it, and so on; no label is looked at (Lewis 1995,
    SIGIR; Ye et al. 2012, ICML, for the F1). A threshold other than 0.5 has to promise 0.005 more.

    Several labels have one each for "f1_macro" and "f1_weighted", but at least 0.1: labels that nothing tells would
    be given to all rows. They share one for "f1_micro". It is 0.5 for "accuracy" and for "f1_samples"; in a binary task
    for "f1_micro" too, which is the accuracy there.

    Args:
        probabilities: (n, classes).
        metric: one of ``METRICS``.
        task: "binary" or "multilabel".
    """
    if task == "binary":
        exact = metric in ("accuracy", "f1_micro", "f1_samples")
        return np.array([0.5 if exact else _expected_threshold(probabilities[:, 1], metric)])
    classes = probabilities.shape[1]
    if metric in ("accuracy", "f1_samples"):
        return np.full(classes, 0.5)
    if metric == "f1_micro":
        return np.full(classes, _expected_threshold(probabilities.ravel(), "f1"))
    return np.array([max(_LEAST_OF_LABELS, _expected_threshold(column, "f1")) for column in probabilities.T])


def _expected_threshold(chances: np.ndarray, metric: str) -> float:
    """The threshold with the best expected F1 of the positive class ("f1") or mean F1 of both, plain or weighted."""
    values = np.sort(chances.astype(np.float64))[::-1]
    n, positives = len(values), values.sum()
    taken, hits = np.arange(n + 1), np.append(0.0, values.cumsum())
    expected = 2 * hits / np.maximum(taken + positives, 1e-12)
    if metric != "f1":
        right = (n - positives) - (taken - hits)  # of those below the threshold
        others = 2 * right / np.maximum((n - taken) + (n - positives), 1e-12)
        weight = 0.5 if metric == "f1_macro" else positives / n
        expected = weight * expected + (1 - weight) * others
    edges = np.concatenate([[1.0], values, [0.0]])
    cuts, apart = (edges[:-1] + edges[1:]) / 2, edges[:-1] - edges[1:] > _APART
    best = np.flatnonzero(apart & (expected >= expected[apart].max() - 1e-12))
    found = best[np.abs(cuts[best] - 0.5).argmin()]
    if expected[found] <= expected[(values > 0.5).sum()] + _WORTH:
        return 0.5
    return float(np.clip(cuts[found], 0.001, 0.999))


def score(metric: str, labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """One of ``METRICS``; higher is better. 1 is the best, 0 the worst, except that "r2" has no lower bound.

    - Accuracy of multilabel predictions is the share of examples whose whole label set is right.
    - F1 of a class without true and predicted examples is 0, as in scikit-learn. So is "f1_samples" (the mean over
      examples) of an example without true and predicted labels.
    - "f1" is the F1 of the last class, the positive one of a binary task.
    - "r2" is the mean over the targets, see ``r2``.

    Args:
        labels, predicted: (n,) class indices, or (n, classes) 0 and 1; for "r2" (n, targets) numbers.
        classes: number of classes or targets.

    Raises:
        ValueError: the metric is unknown.
    """
    if metric == "r2":
        return float(r2(labels, predicted).mean())
    if metric == "accuracy":
        correct = labels == predicted
        return float(correct.mean() if correct.ndim == 1 else correct.all(axis=1).mean())
    truth, guess = _matrix(labels, classes), _matrix(predicted, classes)
    if metric == "f1_samples":
        sizes = truth.sum(axis=1) + guess.sum(axis=1)
        return float((2 * (truth & guess).sum(axis=1) / np.maximum(sizes, 1)).mean())
    hits = (truth & guess).sum(axis=0)
    support, guessed = truth.sum(axis=0), guess.sum(axis=0)
    if metric == "f1_micro":
        return float(2 * hits.sum() / max(support.sum() + guessed.sum(), 1))
    f1 = 2 * hits / np.maximum(support + guessed, 1)
    if metric == "f1":
        return float(f1[-1])
    if metric == "f1_macro":
        return float(f1.mean())
    if metric == "f1_weighted":
        return float((f1 * support).sum() / max(support.sum(), 1))
    raise ValueError(f"unknown metric {metric!r}; expected one of {', '.join(METRICS)}")


def r2(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The coefficient of determination of each target, (targets,): 1 - (squared errors) / (squared deviations of the
    labels from their mean). For a constant target it is 1 if all predictions are right, else 0, as in scikit-learn."""
    labels = labels.astype(np.float64)
    errors = np.square(labels - predicted).sum(axis=0)
    deviations = np.square(labels - labels.mean(axis=0)).sum(axis=0)
    varies = deviations > 0
    return np.where(varies, 1 - errors / np.where(varies, deviations, 1.0), errors == 0)


def _matrix(labels: np.ndarray, classes: int) -> np.ndarray:
    if labels.ndim == 2:
        return labels.astype(bool)
    return labels[:, None] == np.arange(classes)
