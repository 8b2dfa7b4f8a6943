"""Tokenisers: from a batch of examples to tokens. Their parameters are in ``mixmas_pipeline.models.architecture``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mixmas_pipeline.models.architecture import Patches, Tokeniser, Values, Vector


class PatchTokeniser(nn.Module):
    """(batch, [channels,] height, width) -> (batch, patches, hidden): cut row by row, flatten, project."""

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
    """(batch, [steps,] features) -> (batch, values, hidden), step by step: token = x w_feature + b_feature."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5
        self.weight = nn.Parameter(torch.empty(features, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, hidden).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return (x[..., None] * self.weight + self.bias).flatten(1, -2)


def build_tokeniser(tokeniser: Tokeniser, shape: tuple[int, ...], hidden: int) -> nn.Module:
    """The module that turns examples of this shape into tokens, (batch, tokens, hidden)."""
    if isinstance(tokeniser, Patches):
        return PatchTokeniser(tokeniser.size, shape, hidden)
    if isinstance(tokeniser, Values):
        return ValueTokeniser(shape[-1], hidden)
    projection = nn.Linear(shape[-1], hidden)  # a projection's steps are tokens already; a vector becomes one
    if isinstance(tokeniser, Vector):
        return nn.Sequential(nn.Unflatten(1, (1, -1)), projection)
    return projection
