"""The frame that every candidate shares: tokeniser -> blocks -> LayerNorm; tokens in, tokens out."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import TypeVar

import torch
from torch import Tensor, nn

from mixmas_pipeline.models import architecture
from mixmas_pipeline.models.architecture import BlockParameters, token_grid

M = TypeVar("M", bound=nn.Module)


def build_block(parameters: BlockParameters, hidden: int, grid: tuple[int, ...]) -> nn.Module:
    """The block that the parameters describe, for tokens of width ``hidden`` on ``grid``."""
    module, _, name = parameters.implementation.partition(":")
    return getattr(import_module(module), name)(parameters, hidden, grid)


class MixerStack(nn.Sequential):
    """``depth`` blocks and a LayerNorm: (batch, tokens, hidden) -> the same shape. With a mask, (batch, tokens), tokens
    that are padding are zeros before every block and in the result."""

    def __init__(self, parameters: BlockParameters, depth: int, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__(*(build_block(parameters, hidden, grid) for _ in range(depth)), nn.LayerNorm(hidden))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return super().forward(x)
        for module in self:
            x = module(x * mask[..., None])
        return x * mask[..., None]


class PatchTokeniser(nn.Module):
    """(batch, [channels,] height, width) -> (batch, patches, hidden): cut, flatten, project. Patches go row by row."""

    def __init__(self, patch: tuple[int, int], shape: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        self.patch = patch
        self.channels = shape[0] if len(shape) == 3 else 1
        self.grid = (shape[-2] // patch[0], shape[-1] // patch[1])
        self.projection = nn.Linear(self.channels * patch[0] * patch[1], hidden)

    def forward(self, x: Tensor) -> Tensor:
        (rows, columns), (height, width) = self.grid, self.patch
        x = x.reshape(x.shape[0], self.channels, rows, height, columns, width)
        x = x.permute(0, 2, 4, 1, 3, 5).reshape(x.shape[0], rows * columns, self.channels * height * width)
        return self.projection(x)


class ValueTokeniser(nn.Module):
    """(batch, [steps,] features) -> (batch, values, hidden): token = x w_feature + b_feature; step by step."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5
        self.weight = nn.Parameter(torch.empty(features, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, hidden).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return (x[..., None] * self.weight + self.bias).flatten(1, -2)


def build_tokeniser(tokeniser: architecture.Tokeniser, shape: tuple[int, ...], hidden: int) -> nn.Module:
    """The module that makes tokens, (batch, tokens, hidden), of examples of this shape."""
    if isinstance(tokeniser, architecture.Patches):
        return PatchTokeniser(tokeniser.size, shape, hidden)
    if isinstance(tokeniser, architecture.Values):
        return ValueTokeniser(shape[-1], hidden)
    projection = nn.Linear(shape[-1], hidden)  # a projection's steps are tokens already; a vector becomes one
    if isinstance(tokeniser, architecture.Vector):
        return nn.Sequential(nn.Unflatten(1, (1, -1)), projection)
    return projection


class Encoder(nn.Module):
    """One modality's encoder.

    Args:
        parameters: tokeniser, width, depth and block.
        shape: of one example.
        modality: its name, for messages.

    Attributes:
        tokens, hidden: of the result.
    """

    def __init__(self, parameters: architecture.Encoder, shape: tuple[int, ...], modality: str) -> None:
        super().__init__()
        grid = token_grid(parameters.tokeniser, shape, modality)
        self.tokens, self.hidden = math.prod(grid), parameters.hidden_dim
        self.tokeniser = build_tokeniser(parameters.tokeniser, shape, self.hidden)
        self.blocks = MixerStack(parameters.block, parameters.depth, self.hidden, grid)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask``: (batch, tokens), false where a token is padding."""
        return self.blocks(self.tokeniser(x), mask)


def initialised(build: Callable[..., M], seed: int, *args: object) -> M:
    """``build(*args)`` with weights drawn from ``seed``; the global random state is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(*args)
