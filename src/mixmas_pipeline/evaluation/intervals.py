"""Percentile bootstrap intervals of a score, and of the difference of two models' scores on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mixmas_pipeline.evaluation.metrics import score

CONFIDENCE = 0.95
_LIMITS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
_Z = 1.96  # of 95 %
_ONE_SIGMA = (0.1587, 0.8413)  # a few wild resamples do not count, as those of R2 on few rows


class Interval(NamedTuple):
    """A value that was measured on a sample of rows.

    Attributes:
        value: on the rows themselves.
        low, high: its 95 % interval.
        error: its standard error: half of the middle 68 % of the resamples.
    """

    value: float
    low: float
    high: float
    error: float


def bootstrap_interval(
    metric: str, labels: np.ndarray, predicted: np.ndarray, classes: int, resamples: int, seed: int
) -> Interval:
    """The score of predictions, and its interval over resamples of the rows (Efron and Tibshirani 1993, chapter 13).

    Args:
        metric, labels, predicted, classes: as ``metrics.score`` takes them.
        resamples: number of bootstrap resamples.
        seed: of the resamples. The same seed gives the same resamples of as many rows.
    """
    return _interval(metric, labels, (predicted,), classes, resamples, seed)


def difference_interval(
    metric: str, labels: np.ndarray, a: np.ndarray, b: np.ndarray, classes: int, resamples: int, seed: int
) -> Interval:
    """The score of ``a`` less that of ``b``, paired: each resample has the same rows for both.

    Args:
        a, b: predictions for the same rows, each as ``metrics.score`` takes them. For the rest see
            ``bootstrap_interval``.
    """
    return _interval(metric, labels, (a, b), classes, resamples, seed)


def score_intervals(
    scores: Callable[[np.ndarray], dict[str, float]], count: int, resamples: int, seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """The lower and upper limits of the 95 % intervals of several scores. A score that a resample does not define is
    left out of it.

    Args:
        scores: row numbers -> name -> score of these rows.
        count: number of rows.
        resamples, seed: see ``bootstrap_interval``.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for _ in range(resamples):
        for name, value in scores(rng.integers(count, size=count)).items():
            found.setdefault(name, []).append(value)
    limits = {name: _limits(name, values, count) for name, values in found.items()}
    return {name: low for name, (low, _) in limits.items()}, {name: high for name, (_, high) in limits.items()}


def _limits(name: str, values: Sequence[float], count: int) -> tuple[float, float]:
    """The 95 % limits of the resamples' scores. An accuracy of 1 or 0 has Wilson's limits (1927) for a share of
    ``count`` rows: resamples of rows without a mistake cannot show how rare mistakes are."""
    low, high = (float(limit) for limit in np.quantile(values, _LIMITS))
    if name != "accuracy":
        return low, high
    unseen = _Z**2 / (count + _Z**2)
    if low == high == 1:
        return 1 - unseen, 1.0
    return (0.0, unseen) if low == high == 0 else (low, high)


def _interval(
    metric: str, labels: np.ndarray, predictions: Sequence[np.ndarray], classes: int, resamples: int, seed: int
) -> Interval:
    def value(rows: np.ndarray | slice) -> float:
        scores = [score(metric, labels[rows], predicted[rows], classes) for predicted in predictions]
        return scores[0] - sum(scores[1:])

    rng = np.random.default_rng(seed)
    values = [value(rng.integers(len(labels), size=len(labels))) for _ in range(resamples)]
    below, above = np.quantile(values, _ONE_SIGMA)
    low, high = np.quantile(values, _LIMITS) if len(predictions) > 1 else _limits(metric, values, len(labels))
    return Interval(value(slice(None)), float(low), float(high), float(above - below) / 2)
