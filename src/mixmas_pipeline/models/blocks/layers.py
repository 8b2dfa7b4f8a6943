"""Parts that several blocks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Module):
    """Zeros values with probability ``p`` in training, and scales the others so that the mean stays.

    On a CPU torch draws a random number for every value, which takes longer than the matrix product before it. Here one
    draw of 64 bits decides on eight values, so ``p`` is rounded to a multiple of 1/256 (but never to 0 or 1); the scale
    is that of the rounded ``p``. Elsewhere it is torch's own.
    """

    factors: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        dropped = round(256 * p) if p in (0, 1) else min(255, max(1, round(256 * p)))
        scale = 256 / max(1, 256 - dropped)
        self.register_buffer("factors", torch.where(torch.arange(256) >= dropped, scale, 0.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        draws = torch.randint(-(2**63), 2**63 - 1, (-(-x.numel() // 8),), device=x.device)
        factors = torch.index_select(self.factors, 0, _as_bytes(draws)[: x.numel()].int())
        return x * factors.view(x.shape).to(x.dtype)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def _as_bytes(values: Tensor) -> Tensor:
    """(n,) int64 -> (8 n,), the bytes of each, the lowest first."""
    try:
        return values.view(torch.uint8)
    except RuntimeError:  # of stacked models, before torch 2.13
        return _shifted(values)


def _shifted(values: Tensor) -> Tensor:
    return (values[:, None] >> torch.arange(0, 64, 8) & 255).flatten()


class MLP(nn.Sequential):
    """Two linear layers with GELU between them, over the last axis: ``dim -> hidden -> dim``."""

    def __init__(self, dim: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), Dropout(dropout), nn.Linear(hidden, dim))


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
