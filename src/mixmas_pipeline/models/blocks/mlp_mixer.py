"""MLP-Mixer block: Tolstikhin et al. 2021, arXiv 2105.01601, equation 1.

U = X + W2 gelu(W1 LN(X))        along the tokens, the same for every channel
Y = U + W4 gelu(W3 LN(U))        along the channels, the same for every token
"""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

from mixmas_pipeline.models.blocks.base import MixerBlockParameters
from mixmas_pipeline.models.blocks.layers import MLP
from mixmas_pipeline.utils.parameters import Count


class MLPMixerParameters(MixerBlockParameters):
    """MLP-Mixer (Tolstikhin et al. 2021).

    Attributes:
        token_dim: hidden width of the token-mixing MLP. Default 32.
    """

    block: Literal["mlp_mixer"] = "mlp_mixer"
    token_dim: Count = 32

    def build(self, hidden: int, grid: tuple[int, ...]) -> MLPMixerBlock:
        """The block's module."""
        return MLPMixerBlock(self, hidden, grid)


class MLPMixerBlock(nn.Module):
    """(batch, tokens, hidden) -> the same shape. ``grid`` is not used."""

    def __init__(self, parameters: MLPMixerParameters, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__()
        tokens = math.prod(grid)
        self.token_norm = nn.LayerNorm(hidden)
        self.token_mixing = MLP(tokens, parameters.token_dim, parameters.dropout)
        self.channel_norm = nn.LayerNorm(hidden)
        self.channel_mixing = MLP(hidden, parameters.channel_dim, parameters.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.token_mixing(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channel_mixing(self.channel_norm(x))
