"""One layer of a plain multilayer perceptron, for each token by itself: y = gelu(W x + b)."""

from __future__ import annotations

from typing import Literal

from torch import nn

from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.models.blocks.layers import Dropout


class MLPParameters(BlockParameters):
    """One layer of a plain MLP, the same for every token: nothing is mixed between tokens.

    M2-Mixer encodes vectors of features with it. As a candidate it shows what token mixing is worth.
    """

    block: Literal["mlp"] = "mlp"

    def build(self, hidden: int, grid: tuple[int, ...]) -> MLPBlock:
        """The block's module."""
        return MLPBlock(self, hidden, grid)


class MLPBlock(nn.Sequential):
    """(batch, tokens, hidden) -> the same shape. ``grid`` is not used: tokens are not mixed."""

    def __init__(self, parameters: MLPParameters, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__(nn.Linear(hidden, hidden), nn.GELU(), Dropout(parameters.dropout))
