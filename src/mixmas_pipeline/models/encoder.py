"""One modality's encoder, the same for all candidates but the block: tokeniser -> blocks -> LayerNorm.

Blocks may do without the LayerNorm, see ``BlockParameters.norm``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from mixmas_pipeline.models import architecture
from mixmas_pipeline.models.architecture import token_grid
from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.models.tokenisers import build_tokeniser

M = TypeVar("M", bound=nn.Module)


class MixerStack(nn.Sequential):
    """``depth`` blocks and, if they want one, a LayerNorm: (batch, tokens, hidden) -> the same shape.

    With a mask, (batch, tokens) booleans, masked tokens (false) are zeros before every block and in the result.
    """

    def __init__(self, parameters: BlockParameters, depth: int, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__(*(parameters.build(hidden, grid) for _ in range(depth)))
        if parameters.norm:
            self.append(nn.LayerNorm(hidden))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return super().forward(x)
        for module in self:
            x = module(x * mask[..., None])
        return x * mask[..., None]


def token_mean(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """(batch, tokens, width) -> (batch, width): mean over the unmasked tokens, of which there may be none."""
    if mask is None:
        return x.mean(dim=1)
    weights = mask.to(x.dtype)[..., None]
    return (x * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


class Encoder(nn.Module):
    """One modality's encoder.

    Args:
        parameters: tokeniser, width, depth and block.
        shape: of one example.
        modality: its name, for messages.

    Attributes:
        tokens, hidden: number and width of the tokens that it returns.
    """

    def __init__(self, parameters: architecture.Encoder, shape: tuple[int, ...], modality: str) -> None:
        super().__init__()
        grid = token_grid(parameters.tokeniser, shape, modality)
        self.tokens, self.hidden = math.prod(grid), parameters.hidden_dim
        self.tokeniser = build_tokeniser(parameters.tokeniser, shape, self.hidden)
        self.blocks = MixerStack(parameters.block, parameters.depth, self.hidden, grid)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(batch, *shape) -> (batch, tokens, hidden). ``mask``: (batch, tokens), false where a token is padding."""
        return self.blocks(self.tokeniser(x), mask)


def initialised(build: Callable[..., M], seed: int, *args: object) -> M:
    """``build(*args)`` with weights drawn from ``seed``. The global random state stays as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(*args)
