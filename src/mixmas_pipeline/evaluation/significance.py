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
    however unequal the classes. The mean of "r2" is at least 0: predictions that vary score below 0 with shuffled
    labels, while predicting the mean scores 0 without any learning.

    Args:
        labels, predicted, classes: as ``metrics.score`` takes them.
        resamples: number of shuffles.
        seed: of the shuffles.
    """
    rng = np.random.default_rng(seed)
    shuffled = [score(metric, rng.permutation(labels), predicted, classes) for _ in range(resamples)]
    mean = float(np.mean(shuffled))
    return Chance(max(mean, 0.0) if metric == "r2" else mean, float(np.std(shuffled)))


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
