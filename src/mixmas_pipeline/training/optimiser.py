"""AdamW with a linear warm-up and half a cosine down to zero (Loshchilov and Hutter 2017, 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from mixmas_pipeline.training.parameters import OptimiserParameters


def make_optimiser(
    parameters: OptimiserParameters, weights: Iterable[Tensor], steps: int, fused: bool = True, stacked: bool = False
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """The optimiser and its schedule: linear from 0 over the warm-up, then half a cosine down to 0 at ``steps``.

    Normalisations' weights and biases, which are the vectors, do not decay, unless the recipe says so.

    Args:
        weights: to optimise.
        steps: length of the schedule.
        fused: compute a step in one kernel. Default true.
        stacked: each weight is that of several models, along a first axis. Default false.
    """
    matrices: list[Tensor] = []
    vectors: list[Tensor] = []
    for weight in weights:
        is_vector = weight.dim() - stacked <= 1 and not parameters.recipe.decay_vectors
        (vectors if is_vector else matrices).append(weight)
    groups = [
        {"params": members, "weight_decay": decay}
        for members, decay in ((matrices, parameters.weight_decay), (vectors, 0.0))
        if members
    ]
    optimiser = torch.optim.AdamW(groups, lr=parameters.learning_rate, fused=fused)
    warmup = max(1, round(parameters.warmup * steps))

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
