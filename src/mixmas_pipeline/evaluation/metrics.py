"""Scores of predicted labels, and what of a score is noise.

A metric of classes takes (n,) class indices or (n, classes) booleans for any task: it works on the label matrix. That
of a regression takes (n, targets) numbers. The resampling functions take any of them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Metric = Literal["accuracy", "f1_macro", "f1_weighted", "f1_micro", "f1_samples", "f1", "r2"]
METRICS = ("accuracy", "f1_macro", "f1_weighted", "f1_micro", "f1_samples", "f1", "r2")


def predict(logits: np.ndarray, task: str) -> np.ndarray:
    """Labels from logits: the largest; (multilabel) all above 0, which is probability 0.5; (regression) the same."""
    if task == "regression":
        return logits
    return logits > 0 if task == "multilabel" else logits.argmax(axis=-1)


def best_thresholds(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The threshold of each class that gives the best F1: a label is set where its score is above it. (classes,)

    Halfway between two scores that occur; of equally good ones the one closest to 0.5; 0.5 for a class without
    examples. Scores made with them are to be measured on other data than these.

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


def score(metric: str, labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """One of ``METRICS``; higher is better, 1 the best, 0 the worst but for "r2", which has no lower bound.

    Args:
        labels, predicted: (n,) class indices, or (n, classes) 0 and 1; for "r2" (n, targets) numbers.
        classes: their number.

    Accuracy of multilabel predictions is the share of examples whose whole label set is right. F1 of a class without
    true or predicted examples is 0, as in scikit-learn's default, and so is f1_samples (the mean over examples) of one
    without true or predicted labels. "f1" is that of the last class, the positive one of a binary task. "r2" is the
    mean over the targets of 1 - (squared errors) / (squared deviations of the labels from their mean); of a target
    that is constant in these examples it is 1 where all are met, and 0 elsewhere (as in scikit-learn).
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
    """The coefficient of determination of each target, (targets,); see ``score``."""
    labels = labels.astype(np.float64)
    errors = np.square(labels - predicted).sum(axis=0)
    deviations = np.square(labels - labels.mean(axis=0)).sum(axis=0)
    varies = deviations > 0
    return np.where(varies, 1 - errors / np.where(varies, deviations, 1.0), errors == 0)


class Chance(NamedTuple):
    """Score of predictions that carry no information: mean and standard deviation over shuffles of the labels."""

    mean: float
    std: float


def chance(metric: str, labels: np.ndarray, predicted: np.ndarray, classes: int, resamples: int, seed: int) -> Chance:
    """Score of the same predictions against shuffled labels.

    A candidate that always gives the most frequent class scores exactly its chance, whatever the metric and however
    unequal the classes. The mean of "r2" is at least 0: predictions that vary score below it with shuffled labels, and
    who answers with the mean scores 0 without having learnt anything.
    """
    rng = np.random.default_rng(seed)
    shuffled = [score(metric, rng.permutation(labels), predicted, classes) for _ in range(resamples)]
    mean = float(np.mean(shuffled))
    return Chance(max(mean, 0.0) if metric == "r2" else mean, float(np.std(shuffled)))


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
