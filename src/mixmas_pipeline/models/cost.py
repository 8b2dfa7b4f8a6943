"""The cost of an architecture, and how candidates are matched in their number of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.models.multimodal import MultimodalMixer

MATCHED = "channel_dim"  # the width that is changed
_WIDEST = 1 << 17


class Cost(NamedTuple):
    """What one model costs.

    Attributes:
        parameters: trainable ones.
        flops: floating-point operations of one example's forward pass, auxiliary heads included: 2 per multiply-add
            of the matrix products and convolutions.
    """

    parameters: int
    flops: int


def cost(architecture: Architecture) -> Cost:
    """Count on the "meta" device: nothing is allocated or computed."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = MultimodalMixer(architecture).eval()
        inputs = {name: torch.empty(1, *i.shape) for name, i in architecture.inputs.items()}
        with FlopCounterMode(display=False) as counter:
            model(inputs)
    return Cost(parameter_count(model), counter.get_total_flops())


def compared_parameters(architecture: Architecture) -> int:
    """Parameters of the part in which a stage's candidates differ: the whole model of a single encoder, else the fusion
    network. (Next to two encoders, even a fusion network half as large again would hardly change the total.)"""
    with torch.device("meta"):
        model = MultimodalMixer(architecture)
    return parameter_count(model if architecture.fusion is None else model.fusion_network)


def parameter_count(module: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def match_parameters(
    block: BlockParameters, count: Callable[[BlockParameters], int], target: int, tolerance: float
) -> BlockParameters:
    """Change a block's ``channel_dim`` so that its model has the wanted number of parameters.

    Args:
        block: the candidate.
        count: parameters of the model with a given block; must grow with the width.
        target: parameters wanted.
        tolerance: largest relative difference.

    Returns:
        The block itself if it is within tolerance already, else the block with the closest width.

    Raises:
        ValueError: no width brings it within tolerance, or the block has no ``channel_dim``.
    """
    if abs(count(block) - target) <= tolerance * target:
        return block
    if MATCHED not in type(block).model_fields:
        raise ValueError(
            f"{block.block} has {count(block):,} parameters; expected {target:,} (within {tolerance:.0%}), and it has "
            f"no {MATCHED} to change. Make it the reference, or change match.tolerance"
        )

    def with_width(width: int) -> BlockParameters:
        return block.model_copy(update={MATCHED: width})

    low, high = 1, _WIDEST
    while low < high:  # the least width that reaches the target
        middle = (low + high) // 2
        if count(with_width(middle)) < target:
            low = middle + 1
        else:
            high = middle
    best = min((with_width(w) for w in (max(low - 1, 1), low)), key=lambda b: abs(count(b) - target))
    if abs(count(best) - target) > tolerance * target:
        raise ValueError(
            f"{block.block}: no {MATCHED} gives about {target:,} parameters (within {tolerance:.0%}); "
            f"the closest, {getattr(best, MATCHED)}, gives {count(best):,}. Change the "
            "candidate's other hyperparameters, or match.tolerance"
        )
    return best
