"""Ranks of numbers with heavy tails, such as incomes, counts and durations.

Standardised, most rows of such a column lie within a small fraction of a standard deviation, and a few lie far outside.
Their ranks tell the many apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_FEWEST = 10  # knots
_NARROW = 0.6  # standard deviations; the middle half of a normal distribution has 1.35
_KNOTS = 201
_OUTERMOST = 0.001  # share of the rows beyond which all ranks are the same


@dataclass(frozen=True)
class Ranks:
    """A piecewise linear function from a number to the normal quantile of its rank, standardised.

    Attributes:
        values: increasing.
        scores: of each.
    """

    values: list[float]
    scores: list[float]

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) scores; of a number outside of the training rows' range that of its end."""
        return np.interp(numbers, self.values, self.scores)


def learn_ranks(filled: np.ndarray) -> Ranks | None:
    """The ranks of a column with heavy tails; None of another one.

    Args:
        filled: (n,) training rows, without missing ones.
    """
    low, high = np.quantile(filled, [0.25, 0.75])
    ordered = np.sort(filled)
    values = np.unique(np.quantile(ordered, np.linspace(0, 1, _KNOTS), method="nearest"))
    if high - low >= _NARROW * filled.std() or len(values) < _FEWEST:
        return None
    before, through = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    shares = np.clip((before + through) / 2 / len(ordered), _OUTERMOST, 1 - _OUTERMOST)
    scores = np.array([NormalDist().inv_cdf(share) for share in shares])
    reached = np.interp(filled, values, scores)
    return Ranks(values.tolist(), ((scores - reached.mean()) / reached.std()).tolist())
