"""Tokenisers: from a batch of examples to tokens. Their parameters are in ``mixmas_pipeline.models.architecture``."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mixmas_pipeline.models.architecture import Patches, Projection, Tokeniser, Values, Vector


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


class SmoothClip(nn.Module):
    """x / sqrt(1 + (x / limit)^2), elementwise: near 0 it is x, and no result is beyond +-limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        ratio = (x / self.limit).clamp(-1e4, 1e4)  # a square must not overflow
        return self.limit * ratio * (1 + ratio.square()).rsqrt()

    def extra_repr(self) -> str:
        return f"limit={self.limit}"


class PeriodicEmbedding(nn.Module):
    """(batch, features) -> (batch, features, 4): each number, scaled, beside learnt mixtures of its cosines.

        z = s x,   embedding = (z, V cos(2 pi f z + p) + c)

    Every feature has its own scale s, frequencies f, phases p, and mixture V, c. The form and the distributions at the
    start are those of RealMLP's embeddings (Holzmueller et al. 2024, arXiv 2407.04491, section 3), after the periodic
    embeddings of Gorishniy et al. 2022 (arXiv 2203.05556); the scale is RealMLP's scaling layer.
    """

    WIDTH = 4

    def __init__(self, features: int, frequencies: int) -> None:
        super().__init__()
        bound, mixtures = frequencies**-0.5, self.WIDTH - 1
        self.scale = nn.Parameter(torch.ones(features))
        self.frequency = nn.Parameter(torch.randn(features, frequencies) * 0.1)
        self.phase = nn.Parameter(torch.empty(features, frequencies).uniform_(-math.pi, math.pi))
        self.mixture = nn.Parameter(torch.empty(features, frequencies, mixtures).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, mixtures).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        x = (x * self.scale)[..., None]
        waves = torch.cos(2 * math.pi * x * self.frequency + self.phase)  # (batch, features, frequencies)
        mixtures = (waves[..., None, :] @ self.mixture).squeeze(-2) + self.bias
        return torch.cat([x, mixtures], dim=-1)


def build_tokeniser(tokeniser: Tokeniser, shape: tuple[int, ...], hidden: int) -> nn.Module:
    """The module that turns examples of this shape into tokens, (batch, tokens, hidden)."""
    if isinstance(tokeniser, Patches):
        return PatchTokeniser(tokeniser.size, shape, hidden)
    of_numbers = _of_numbers(tokeniser, shape, hidden)
    return of_numbers if tokeniser.clip is None else nn.Sequential(SmoothClip(tokeniser.clip), of_numbers)


def _of_numbers(tokeniser: Projection | Vector | Values, shape: tuple[int, ...], hidden: int) -> nn.Module:
    if isinstance(tokeniser, Values):
        return ValueTokeniser(shape[-1], hidden)
    if isinstance(tokeniser, Projection):
        return nn.Linear(shape[-1], hidden)  # steps are tokens already
    if tokeniser.frequencies == 0:
        return nn.Sequential(nn.Unflatten(1, (1, -1)), nn.Linear(shape[-1], hidden))
    return nn.Sequential(
        PeriodicEmbedding(shape[-1], tokeniser.frequencies),
        nn.Flatten(1),
        nn.Unflatten(1, (1, -1)),
        nn.Linear(shape[-1] * PeriodicEmbedding.WIDTH, hidden),
    )
