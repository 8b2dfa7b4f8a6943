"""The training loss of a trial, as a short curve."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_POINTS = 40


class LossCurve:
    """Mean loss since the point before, at about 40 steps.

    Args:
        steps: of the training.
        label: what is trained, for the error.
        learning_rate: for the error.

    Attributes:
        points: (step, mean loss).
    """

    def __init__(self, steps: int, label: str, learning_rate: float) -> None:
        self.points: list[tuple[int, float]] = []
        self._steps, self._label, self._learning_rate = steps, label, learning_rate
        self._total: Tensor | None = None
        self._since = 0

    def add(self, step: int, loss: Tensor) -> None:
        """Count the loss of a step (from 1). The value is read at a point only: reading makes the host wait for a GPU.

        Raises:
            FloatingPointError: the mean loss is NaN or infinite.
        """
        if self._total is None:
            self._total = torch.zeros((), device=loss.device)
        self._total += loss.detach()
        self._since += 1
        if step % max(1, self._steps // _POINTS) and step != self._steps:
            return
        mean = (self._total / self._since).item()
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"{self._label}: the training loss is {mean} at step {step}; lower the learning rate "
                f"({self._learning_rate})"
            )
        self.points.append((step, mean))
        self._total, self._since = None, 0
