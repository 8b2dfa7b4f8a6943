"""An exponential moving average of the weights (Polyak and Juditsky 1992), which is validated, kept and scored in place
of the last weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


def decay_at(step: int, decay: float) -> float:
    """The decay after an optimiser step (from 1): min(decay, (1 + step) / (10 + step)), so that the average does not
    lag behind in a short training."""
    return min(decay, (1 + step) / (10 + step))


class AveragedWeights:
    """After each step average = d average + (1 - d) weight, with d = ``decay_at(step, decay)``.

    Args:
        weights: that are trained.
        decay: 0: there is no average.
        averages: tensors to hold the averages, of the same values. Default: copies of the weights.
    """

    def __init__(self, weights: Iterable[Tensor], decay: float, averages: Iterable[Tensor] | None = None) -> None:
        self._weights, self._decay = list(weights), decay
        copies = (weight.detach().clone() for weight in self._weights) if averages is None else averages
        self._averages = list(copies) if decay else []

    def update(self, step: int) -> None:
        """Take in the weights after a step (from 1)."""
        if self._decay:
            get_ema_multi_avg_fn(decay_at(step, self._decay))(self._averages, self._weights, step)

    @torch.no_grad()
    def install(self) -> None:
        """Make the averages the weights."""
        for weight, average in zip(self._weights, self._averages, strict=False):  # without a decay none
            weight.copy_(average)
