"""How much of a score is noise: the chance level, and the error of a difference of two scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mixmas_pipeline.evaluation.metrics import score


class Chance(NamedTuple):
    """Score of predictions that carry no information.

    Attributes:
        mean, std: over shuffles of the labels.
    """

    mean: float
    std: float


def chance(metric: str, labels: np.ndarray, predicted: np.ndarray, classes: int, resamples: int, seed: int) -> Chance:
    """Score of the same predictions against shuffled labels.

    A candidate that always predicts the most frequent class scores exactly its chance level, whatever the metric and
    however unequal the classes. For "r2" it is the squared correlation, the most that the predictions would score if
    they were shifted and scaled in hindsight: predictions that vary score far below 0 with shuffled labels, with a
    spread that grows with their own, while predicting the mean scores 0 without any learning.

    Args:
        labels, predicted, classes: as ``metrics.score`` takes them.
        resamples: number of shuffles.
        seed: of the shuffles.
    """
    rng = np.random.default_rng(seed)
    shuffled = [_without_information(metric, rng.permutation(labels), predicted, classes) for _ in range(resamples)]
    return Chance(float(np.mean(shuffled)), float(np.std(shuffled)))


def _without_information(metric: str, shuffled: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    if metric != "r2":
        return score(metric, shuffled, predicted, classes)
    truth, guess = (values - values.mean(axis=0) for values in (shuffled.astype(np.float64), predicted))
    sizes = np.square(truth).sum(axis=0) * np.square(guess).sum(axis=0)
    correlations = np.square((truth * guess).sum(axis=0)) / np.where(sizes > 0, sizes, 1.0)
    return float(correlations.mean())


def difference_error(
    metric: str, labels: np.ndarray, a: np.ndarray, b: np.ndarray, classes: int, resamples: int, seed: int
) -> float:
    """Standard error of the difference of two candidates' mean scores, paired by seed and by example.

    Two sources of noise are added in quadrature: the choice of held-out examples (bootstrap over the examples, the same
    resample for both candidates and all seeds) and the choice of seeds (standard error of the seeds' differences; with
    a single seed it is unknown and left out).

    Args:
        a, b: predicted labels, one row per seed: (seeds, n[, classes]).
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
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
