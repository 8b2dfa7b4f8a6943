"""One layer of RealMLP: Holzmueller et al. 2024, "Better by Default", arXiv 2407.04491, section 3.

y = x' + a * (mish(x') - x'),   x' = W x + b

for each token by itself. Each channel learns its a, which starts at 1: between no activation (0) and mish. RealMLP's
smooth clip, scaling layer and embeddings of numbers are in the tokenisers, see ``Vector``. Its robust scaling, its
initialisation from data and its schedules of dropout and weight decay are left out.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.models.blocks.layers import Dropout


class RealMLPParameters(BlockParameters):
    """One layer of an MLP for tables (RealMLP, Holzmueller et al. 2024); no norm before or after.

    Meant for a vector as one token, embedded by cosines. Its number of parameters is not matched to the reference's.
    """

    norm: ClassVar[bool] = False
    matched: ClassVar[bool] = False

    block: Literal["real_mlp"] = "real_mlp"

    def build(self, hidden: int, grid: tuple[int, ...]) -> RealMLPBlock:
        """The block's module."""
        return RealMLPBlock(self, hidden, grid)


class RealMLPBlock(nn.Module):
    """(batch, tokens, hidden) -> the same shape. ``grid`` is not used: tokens are not mixed."""

    def __init__(self, parameters: RealMLPParameters, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, hidden)
        self.activation = nn.Parameter(torch.ones(hidden))
        self.dropout = Dropout(parameters.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        return self.dropout(x + self.activation * (F.mish(x) - x))
