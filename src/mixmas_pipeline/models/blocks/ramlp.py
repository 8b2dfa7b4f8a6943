"""RaMLP block: Lai et al. 2023, "RaMLP: Vision MLP via Region-aware Mixing" (IJCAI).

Region-aware mixing (RaM) of tokens that lie on a grid:

    U   = X + CPE(X)                                      3x3 depthwise: conditional positions
    RaM = W_out ( LN(DFC(LP(W_a Z))) * LN(W_b Z) ),  Z = LN(U)
    V   = U + RaM;   Y = V + W4 gelu(W3 LN(V))

LP, learnable pooling, is a depthwise ``kernel`` x ``kernel`` window: local clues. DFC, the dilated fully connected
layer, cuts the grid into ``regions`` x ``regions`` regions and joins the tokens at the same offset in each of them by
one dense layer. Token mixing alone reaches the whole grid when half the window (``kernel // 2``) spans a region except
for one token; the conditional positions add one token to that. The gate W_b Z makes the mixing depend on the region's
content.

Differences from the published implementation, on purpose: LayerNorm instead of BatchNorm (an example's score
must not depend on its neighbours in the batch), GELU in the channel MLP as in the other blocks (so that candidates
differ in token mixing only), and grids that ``regions`` does not divide are padded with zeros and cropped again.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from mixmas_pipeline.models.blocks.base import MixerBlockParameters
from mixmas_pipeline.models.blocks.layers import MLP
from mixmas_pipeline.utils.parameters import Count


class RaMLPParameters(MixerBlockParameters):
    """RaMLP (Lai et al. 2023); needs a 2-D grid of tokens.

    Attributes:
        regions: regions per axis, whose tokens the dilated fully connected layer joins. Default 2.
        kernel: side of the learnable pooling, in tokens. Default 5.
        expansion: width of the mixing branches as a multiple of the hidden dimension. Default 2.
    """

    needs_grid: ClassVar[bool] = True

    block: Literal["ramlp"] = "ramlp"
    regions: Count = 2
    kernel: Literal[1, 3, 5, 7] = 5
    expansion: Annotated[int, Field(ge=1, le=8)] = 2

    def build(self, hidden: int, grid: tuple[int, ...]) -> RaMLPBlock:
        """The block's module."""
        return RaMLPBlock(self, hidden, grid)


class DilatedFullConnection(nn.Module):
    """Dense layer over the tokens at the same offset in every region: (batch, rows, columns, channels) -> same."""

    def __init__(self, grid: tuple[int, int], regions: int) -> None:
        super().__init__()
        self.grid = grid
        self.regions = tuple(min(regions, side) for side in grid)
        self.region = tuple(-(-side // n) for side, n in zip(grid, self.regions, strict=True))
        count = self.regions[0] * self.regions[1]
        self.mixing = nn.Linear(count, count, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (rows, columns), (a, b), (h, w) = self.grid, self.regions, self.region
        batch, channels = x.shape[0], x.shape[-1]
        if (a * h, b * w) != (rows, columns):
            x = F.pad(x, (0, 0, 0, b * w - columns, 0, a * h - rows))
        x = x.reshape(batch, a, h, b, w, channels).permute(0, 2, 4, 1, 3, 5).reshape(-1, a * b, channels)
        x = self.mixing.weight @ x  # whole rows of channels at a time
        x = x.reshape(batch, h, w, a, b, channels).permute(0, 3, 1, 4, 2, 5)
        return x.reshape(batch, a * h, b * w, channels)[:, :rows, :columns]


class RegionAwareMixing(nn.Module):
    """Token mixing on a grid: (batch, tokens, hidden) -> the same shape."""

    def __init__(self, hidden: int, grid: tuple[int, int], regions: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.grid = grid
        width = expansion * hidden
        self.features = nn.Linear(hidden, width, bias=False)
        self.pooling = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width, bias=False)
        self.connection = DilatedFullConnection(grid, regions)
        self.features_norm = nn.LayerNorm(width)
        self.gate = nn.Linear(hidden, width, bias=False)
        self.gate_norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        features = on_grid(self.pooling, self.features(x), self.grid)
        features = self.connection(features).flatten(1, 2)
        return self.output(self.features_norm(features) * self.gate_norm(self.gate(x)))


class RaMLPBlock(nn.Module):
    """(batch, tokens, hidden) -> the same shape; tokens are in row-major order of the grid."""

    def __init__(self, parameters: RaMLPParameters, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__()
        if len(grid) != 2:
            raise ValueError(f"ramlp needs a 2-D grid of tokens; got {grid}")
        self.grid = (grid[0], grid[1])
        self.positions = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False)
        self.token_norm = nn.LayerNorm(hidden)
        self.token_mixing = RegionAwareMixing(
            hidden, self.grid, parameters.regions, parameters.kernel, parameters.expansion
        )
        self.channel_norm = nn.LayerNorm(hidden)
        self.channel_mixing = MLP(hidden, parameters.channel_dim, parameters.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + on_grid(self.positions, x, self.grid).flatten(1, 2)
        x = x + self.token_mixing(self.token_norm(x))
        return x + self.channel_mixing(self.channel_norm(x))


def on_grid(convolution: nn.Module, x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Convolve tokens, (batch, rows * columns, channels) -> (batch, rows, columns, channels).

    Tokens are a picture with its channels last already (torch's channels_last format): nothing is copied.
    """
    return convolution(x.unflatten(1, grid).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
