"""One layer of a plain multilayer perceptron, for each token by itself: y = gelu(W x + b)."""

from __future__ import annotations

from torch import nn

from mixmas_pipeline.models.architecture import MLPParameters
from mixmas_pipeline.models.blocks.layers import Dropout


class MLPBlock(nn.Sequential):
    """(batch, tokens, hidden) -> the same shape. ``grid`` is not used: tokens do not see each other."""

    def __init__(self, parameters: MLPParameters, hidden: int, grid: tuple[int, ...]) -> None:
        super().__init__(nn.Linear(hidden, hidden), nn.GELU(), Dropout(parameters.dropout))
