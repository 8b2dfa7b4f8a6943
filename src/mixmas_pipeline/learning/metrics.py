"""Scores of predicted labels, and what of a score is noise.

A metric takes (n,) class indices or (n, classes) booleans for either task: it works on the label matrix. The
resampling functions take any of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def predict(logits: np.ndarray, task: str) -> np.ndarray:
    """Labels from logits: the largest, or (multilabel) all above 0, which is probability 0.5."""
    return logits > 0 if task == "multilabel" else logits.argmax(axis=-1)


def score(metric: str, labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """One of accuracy, f1_macro, f1_weighted, f1_micro; in [0, 1].

    Args:
        labels, predicted: (n,) class indices, or (n, classes) 0 and 1.
        classes: their number.

    Accuracy of multilabel predictions is the share of examples whose whole label set is right. F1 of a class without
    true or predicted examples is 0, as in scikit-learn's default.
    """
    if metric == "accuracy":
        correct = labels == predicted
        return float(correct.mean() if correct.ndim == 1 else correct.all(axis=1).mean())
    truth, guess = _matrix(labels, classes), _matrix(predicted, classes)
    hits = (truth & guess).sum(axis=0)
    support, guessed = truth.sum(axis=0), guess.sum(axis=0)
    if metric == "f1_micro":
        return float(2 * hits.sum() / max(support.sum() + guessed.sum(), 1))
    f1 = 2 * hits / np.maximum(support + guessed, 1)
    if metric == "f1_macro":
        return float(f1.mean())
    if metric == "f1_weighted":
        return float((f1 * support).sum() / max(support.sum(), 1))
    raise ValueError(f"unknown metric {metric!r}; expected accuracy, f1_macro, f1_weighted or f1_micro")


class Chance(NamedTuple):
    """Score of predictions that carry no information: mean and standard deviation over shuffles of the labels."""

    mean: float
    std: float


def chance(metric: str, labels: np.ndarray, predicted: np.ndarray, classes: int, resamples: int, seed: int) -> Chance:
    """Score of the same predictions against shuffled labels.

    A candidate that always gives the most frequent class scores exactly its chance, whatever the metric and however
    unequal the classes.
    """
    rng = np.random.default_rng(seed)
    shuffled = [score(metric, rng.permutation(labels), predicted, classes) for _ in range(resamples)]
    return Chance(float(np.mean(shuffled)), float(np.std(shuffled)))


def difference_error(
    metric: str, labels: np.ndarray, a: np.ndarray, b: np.ndarray, classes: int, resamples: int, seed: int
) -> float:
    """Standard error of the difference of two candidates' mean scores, paired by seed and by example.

    Two sources of noise are added in quadrature: which examples happen to be held out (bootstrap over the examples,
    the same resample for both candidates and all seeds) and which seeds happened to be used (standard error of the
    seeds' differences; of a single seed it is unknown and left out).

    Args:
        a, b: predicted labels, one row a seed: (seeds, n[, classes]).
    """
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(resamples):
        rows = rng.integers(len(labels), size=len(labels))
        differences.append(
            np.mean(
                [
                    score(metric, labels[rows], x[rows], classes) - score(metric, labels[rows], y[rows], classes)
                    for x, y in zip(a, b, strict=True)
                ]
            )
        )
    if len(a) == 1:
        return float(np.std(differences))
    by_seed = [score(metric, labels, x, classes) - score(metric, labels, y, classes) for x, y in zip(a, b, strict=True)]
    return float(np.hypot(np.std(differences), np.std(by_seed, ddof=1) / len(by_seed) ** 0.5))


def _matrix(labels: np.ndarray, classes: int) -> np.ndarray:
    if labels.ndim == 2:
        return labels.astype(bool)
    return labels[:, None] == np.arange(classes)
