"""MonarchMixer block: Fu et al. 2023, "Monarch Mixer", arXiv 2310.12109, section 3.

A Monarch matrix is a product of block-diagonal matrices with a fixed permutation (a transposition of the index seen
as a matrix) between them: between 1/blocks and 2/blocks of a dense matrix's weights. A layer mixes along the tokens,
then along the channels, each time by Monarch, elementwise kernel, ReLU, Monarch:

    U = X + M2 relu(K1 * (M1 LN(X)))       along the tokens
    Y = U + M4 relu(k2 * (M3 LN(U)))       along the channels

Lengths that the blocks do not divide are padded with zeros on the way in and cropped on the way out: no input value
is dropped. Factors start with a variance that keeps that of their input (1/fan-in), doubled after the ReLU.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mixmas_pipeline.models.blocks.base import MixerBlockParameters
from mixmas_pipeline.models.blocks.layers import Dropout
from mixmas_pipeline.utils.parameters import Count


class MonarchMixerParameters(MixerBlockParameters):
    """MonarchMixer (Fu et al. 2023).

    Attributes:
        blocks: diagonal blocks of each Monarch factor along the channels; a Monarch matrix has between 1/blocks and
            2/blocks of the weights of a dense one. Default 4. Along the tokens it is the rounded square root of their
            number.
    """

    block: Literal["monarch_mixer"] = "monarch_mixer"
    blocks: Count = 4

    def build(self, hidden: int, grid: tuple[int, ...]) -> MonarchMixerBlock:
        """The block's module."""
        return MonarchMixerBlock(self, hidden, grid)


class Monarch(nn.Module):
    """y = P L P' R x over the last axis but one, ``inputs -> outputs``: block-diagonal L and R, transpositions P.

    Args:
        inputs, outputs: lengths; any.
        blocks: diagonal blocks of each factor.
        gain: variance of the output over that of the input, at the start.
    """

    def __init__(self, inputs: int, outputs: int, blocks: int, gain: float = 1.0) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.blocks = blocks = max(1, min(blocks, inputs, outputs))
        per_block_in, per_block_out = -(-inputs // blocks), -(-outputs // blocks)
        # The middle is no wider than the narrower end; a multiple of blocks^2, so that each left block receives
        # equally from each right block.
        share = -(-min(per_block_in, per_block_out) // blocks)
        middle = share * blocks
        self.right = nn.Parameter(torch.empty(blocks, per_block_in, middle))
        self.left = nn.Parameter(torch.empty(blocks, middle, per_block_out))
        self._gain = gain
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights; the fan-in of the right factor counts the true inputs, not the padding."""
        nn.init.normal_(self.right, std=(self.blocks / self.inputs) ** 0.5)
        nn.init.normal_(self.left, std=(self._gain / self.left.shape[1]) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs, n) -> (..., outputs, n): over the last axis but one, so that permutations move whole rows."""
        lead, columns = x.shape[:-2], x.shape[-1]
        blocks, per_block_in, middle = self.right.shape
        if missing := blocks * per_block_in - self.inputs:
            x = F.pad(x, (0, 0, 0, missing))
        x = self.right.mT @ x.reshape(*lead, blocks, per_block_in, columns)  # (..., blocks, middle, n)
        x = x.reshape(*lead, blocks, blocks, middle // blocks, columns).transpose(-4, -3)  # left, right block, share, n
        x = self.left.mT @ x.reshape(*lead, blocks, middle, columns)
        # Outputs interleave the left blocks, so that a following Monarch sees them in the transposed order.
        x = x.transpose(-3, -2).reshape(*lead, -1, columns)
        return x[..., : self.outputs, :]


class MonarchMixing(nn.Module):
    """Monarch, elementwise kernel, ReLU, dropout, Monarch over the last axis but one: ``dim -> hidden -> dim``.

    Args:
        kernel: shape of the kernel, which multiplies (..., hidden, n).
    """

    def __init__(self, dim: int, hidden: int, blocks: int, kernel: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.first = Monarch(dim, hidden, blocks)
        self.kernel = nn.Parameter(torch.ones(kernel))
        self.dropout = Dropout(dropout)
        self.second = Monarch(hidden, dim, blocks, gain=2.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.dropout(torch.relu(self.kernel * self.first(x))))


class MonarchChannelMixing(MonarchMixing):
    """The same over the last axis, of all tokens at once: (..., tokens, dim) -> the same shape."""

    def forward(self, x: Tensor) -> Tensor:
        columns = x.flatten(0, -2).T.contiguous()  # (dim, all tokens)
        return super().forward(columns).T.reshape(x.shape)


class MonarchMixerBlock(nn.Module):
    """(batch, tokens, hidden) -> the same shape."""

    def __init__(self, parameters: MonarchMixerParameters, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__()
        tokens = math.prod(grid)
        self.token_norm = nn.LayerNorm(hidden)
        self.token_mixing = MonarchMixing(tokens, tokens, round(tokens**0.5), (tokens, hidden), parameters.dropout)
        self.channel_norm = nn.LayerNorm(hidden)
        self.channel_mixing = MonarchChannelMixing(
            hidden, parameters.channel_dim, parameters.blocks, (parameters.channel_dim, 1), parameters.dropout
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.token_mixing(self.token_norm(x))
        return x + self.channel_mixing(self.channel_norm(x))
