"""AdamW with a linear warm-up and half a cosine down to zero (Loshchilov and Hutter 2017, 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from mixmas_pipeline.training.parameters import OptimiserParameters


def make_optimiser(
    parameters: OptimiserParameters, weights: Iterable[Tensor], steps: int, fused: bool = True
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """The optimiser and its schedule: linear from 0 over the warm-up, then half a cosine down to 0 at ``steps``.

    Args:
        weights: to optimise.
        steps: length of the schedule.
        fused: compute a step in one kernel. Default true.
    """
    optimiser = torch.optim.AdamW(
        weights, lr=parameters.learning_rate, weight_decay=parameters.weight_decay, fused=fused
    )
    warmup = max(1, round(parameters.warmup * steps))

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
