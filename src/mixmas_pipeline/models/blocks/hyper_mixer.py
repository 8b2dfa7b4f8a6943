"""HyperMixer block: Mai et al. 2022, arXiv 2203.03691, section 3.

The token-mixing weights are not parameters; a hypernetwork makes row j of them from token j and its position:

    W1, W2 in R^(tokens x token_dim),  row j of Wk = MLP_k(x_j + p_j)
    HM(X) = LN(W2 gelu(W1^T X))
    U = X + HM(LN(X));   Y = U + W4 gelu(W3 LN(U))

Cost is linear in the number of tokens, and the number of parameters does not depend on it.
"""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

from mixmas_pipeline.models.blocks.base import MixerBlockParameters
from mixmas_pipeline.models.blocks.layers import MLP, Dropout, sinusoidal_positions
from mixmas_pipeline.utils.parameters import Count


class HyperMixerParameters(MixerBlockParameters):
    """HyperMixer (Mai et al. 2022).

    Attributes:
        token_dim: hidden width d' of the generated token-mixing MLP. Default 32.
        tied: generate one matrix for both (W1 = W2). Default false.
    """

    block: Literal["hyper_mixer"] = "hyper_mixer"
    token_dim: Count = 32
    tied: bool = False

    def build(self, hidden: int, grid: tuple[int, ...]) -> HyperMixerBlock:
        """The block's module."""
        return HyperMixerBlock(self, hidden, grid)


class HyperMixing(nn.Module):
    """Token mixing with generated weights: (batch, tokens, hidden) -> the same shape."""

    positions: Tensor

    def __init__(self, hidden: int, tokens: int, token_dim: int, dropout: float, tied: bool) -> None:
        super().__init__()
        self.register_buffer("positions", sinusoidal_positions(tokens, hidden), persistent=False)
        self.first = self._hypernetwork(hidden, token_dim)
        self.second = None if tied else self._hypernetwork(hidden, token_dim)
        self.activation = nn.Sequential(nn.GELU(), Dropout(dropout))
        self.norm = nn.LayerNorm(hidden)

    @staticmethod
    def _hypernetwork(hidden: int, token_dim: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, token_dim))

    def forward(self, x: Tensor) -> Tensor:
        positioned = x + self.positions
        first = self.first(positioned)  # (batch, tokens, token_dim)
        second = first if self.second is None else self.second(positioned)
        summary = self.activation(first.transpose(1, 2) @ x)  # (batch, token_dim, hidden)
        return self.norm(second @ summary)


class HyperMixerBlock(nn.Module):
    """(batch, tokens, hidden) -> the same shape."""

    def __init__(self, parameters: HyperMixerParameters, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__()
        tokens = math.prod(grid)
        self.token_norm = nn.LayerNorm(hidden)
        self.token_mixing = HyperMixing(hidden, tokens, parameters.token_dim, parameters.dropout, parameters.tied)
        self.channel_norm = nn.LayerNorm(hidden)
        self.channel_mixing = MLP(hidden, parameters.channel_dim, parameters.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.token_mixing(self.token_norm(x))
        return x + self.channel_mixing(self.channel_norm(x))
