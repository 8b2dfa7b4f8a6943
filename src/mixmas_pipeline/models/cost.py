"""What an architecture costs, and how candidates are made to cost the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from mixmas_pipeline.models.architecture import Architecture, Block
from mixmas_pipeline.models.multimodal import MultimodalMixer

_WIDEST = 1 << 17


class Cost(NamedTuple):
    """Trainable parameters, and floating-point operations (2 a multiply-add) of the matrix products and
    convolutions of one example's forward pass, auxiliary heads included."""

    parameters: int
    flops: int


def cost(architecture: Architecture) -> Cost:
    """Count both on the "meta" device: nothing is allocated or computed."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = MultimodalMixer(architecture).eval()
        inputs = {name: torch.empty(1, *i.shape) for name, i in architecture.inputs.items()}
        with FlopCounterMode(display=False) as counter:
            model(inputs)
    return Cost(parameter_count(model), counter.get_total_flops())


def compared_parameters(architecture: Architecture) -> int:
    """Parameters of the part that candidates of a stage differ in: the whole of an encoder that stands alone, or the
    fusion network. (Beside two encoders, a fusion network half as large again would hardly change the whole.)"""
    with torch.device("meta"):
        model = MultimodalMixer(architecture)
    return parameter_count(model if architecture.fusion is None else model.fusion_network)


def parameter_count(module: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def match_parameters(
    block: Block,
    count: Callable[[Block], int],
    target: int,
    tolerance: float,
    hyperparameter: str,
) -> Block:
    """Change one width of a block so that the model that holds it has as many parameters as asked.

    Args:
        block: the candidate.
        count: parameters of the model with a given block; must grow with the width.
        target: parameters wanted.
        tolerance: largest relative difference.
        hyperparameter: the width to change, for example "channel_dim".

    Returns:
        The block itself if it is within tolerance already, else the block with the closest width.

    Raises:
        ValueError: no width brings it within tolerance, or the block has no such width.
    """
    if abs(count(block) - target) <= tolerance * target:
        return block
    if hyperparameter not in type(block).model_fields:
        raise ValueError(
            f"{block.block} has {count(block):,} parameters, {target:,} are wanted (within {tolerance:.0%}), and it "
            f"has no {hyperparameter} to change. Make it the reference, or change match.tolerance"
        )

    def with_width(width: int) -> Block:
        return block.model_copy(update={hyperparameter: width})

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
            f"{block.block}: no {hyperparameter} gives about {target:,} parameters (within {tolerance:.0%}); "
            f"the closest, {getattr(best, hyperparameter)}, gives {count(best):,}. Change the "
            "candidate's other hyperparameters, or match.tolerance"
        )
    return best
