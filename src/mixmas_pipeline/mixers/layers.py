"""Parts that several blocks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MLP(nn.Sequential):
    """Two linear layers with GELU between them, over the last axis: ``dim -> hidden -> dim``."""

    def __init__(self, dim: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim))


def sinusoidal_positions(tokens: int, width: int) -> Tensor:
    """Position table of Vaswani et al. 2017 (eq. in section 3.5), (tokens, width) float32.

    Even columns are sin(position / 10000^(2i/width)), odd ones the cosine.
    """
    position = torch.arange(tokens, dtype=torch.float32)[:, None]
    frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    table = torch.empty(tokens, width)
    table[:, 0::2] = torch.sin(position * frequency)
    table[:, 1::2] = torch.cos(position * frequency[: width // 2])
    return table
