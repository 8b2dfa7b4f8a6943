"""How far probabilities can be believed: the expected calibration error, and the bins behind it.

Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv 1706.04599), section 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS = 10


class CalibrationBin(NamedTuple):
    """Decisions of similar confidence.

    Attributes:
        low, high: the bin's limits.
        decisions: their number.
        confidence: their mean confidence.
        accuracy: the share of them that is right.
    """

    low: float
    high: float
    decisions: int
    confidence: float
    accuracy: float


def calibration_bins(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> list[CalibrationBin]:
    """Decisions by confidence, in bins of equal width between 0 and 1. Empty bins are left out.

    Args:
        confidence: (n,) probability of each decision.
        correct: (n,) whether it is right.
        bins: their number. Default 10.
    """
    edges = np.linspace(0, 1, bins + 1)
    which = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return [
        CalibrationBin(
            float(edges[b]),
            float(edges[b + 1]),
            int((which == b).sum()),
            float(confidence[which == b].mean()),
            float(correct[which == b].mean()),
        )
        for b in np.unique(which)
    ]


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> float:
    """Mean distance of confidence and accuracy over the bins, weighted by their decisions (equation 3)."""
    return sum(
        part.decisions * abs(part.accuracy - part.confidence) for part in calibration_bins(confidence, correct, bins)
    ) / len(confidence)


def decisions(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and correctness of every decision: one per row, or with several labels per row one per label.

    Args:
        probabilities: (n, classes).
        labels: (n,) classes, or (n, classes) of 0 and 1.
    """
    if labels.ndim == 1:
        return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    yes = probabilities > 0.5
    return np.where(yes, probabilities, 1 - probabilities).ravel(), (yes == labels.astype(bool)).ravel()
