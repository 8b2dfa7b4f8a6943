"""Fusion of any number of token sequences.

The rule for unequal ones: sequences that differ in width are first projected, each by one linear layer over its
channels, to the largest width. ``concat`` then joins them along the token axis, whatever their lengths. ``max``,
``mean`` and ``sum`` combine them token by token, so sequences that are shorter than the longest are first brought to
its length by one linear layer over their tokens: nothing is cropped, and no order is assumed. Sequences that already
agree get no layer at all.

The rule for missing ones: an example's result is what the modalities that it has give. ``max``, ``mean`` and ``sum``
are over those; ``concat`` keeps the place of the missing one's tokens, which are then masked like padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mixmas_pipeline.models.architecture import FUSION_FUNCTIONS


class FusionFunction(nn.Module):
    """Combine token sequences, (batch, tokens_m, width_m) each, into (batch, tokens, width).

    Args:
        function: "concat", "max", "mean" or "sum".
        shapes: (tokens, width) of each modality, in order.

    Attributes:
        tokens, width: of the result.
    """

    def __init__(self, function: str, shapes: list[tuple[int, int]]) -> None:
        super().__init__()
        if function not in FUSION_FUNCTIONS:
            raise ValueError(f"unknown fusion function {function!r}; expected one of {FUSION_FUNCTIONS}")
        self.function = function
        self.width = max(width for _, width in shapes)
        longest = max(tokens for tokens, _ in shapes)
        self.tokens = sum(tokens for tokens, _ in shapes) if function == "concat" else longest
        self.width_alignment = nn.ModuleList(
            nn.Identity() if width == self.width else nn.Linear(width, self.width) for _, width in shapes
        )
        self.token_alignment = nn.ModuleList(
            nn.Identity() if function == "concat" or tokens == longest else nn.Linear(tokens, longest)
            for tokens, _ in shapes
        )

    def forward(self, sequences: list[Tensor], present: list[Tensor | None] | None = None) -> Tensor:
        """``present``: of each sequence, (batch,) booleans: which examples have it; None where all do. Default: all
        have all."""
        aligned = [align(x) for align, x in zip(self.width_alignment, sequences, strict=True)]
        if self.function == "concat":
            return torch.cat(aligned, dim=1)
        stacked = torch.stack(
            [align(x.transpose(1, 2)).transpose(1, 2) for align, x in zip(self.token_alignment, aligned, strict=True)]
        )
        if present is None or all(there is None for there in present):
            if self.function == "max":
                return stacked.amax(dim=0)
            return stacked.mean(dim=0) if self.function == "mean" else stacked.sum(dim=0)
        everywhere = torch.ones_like(sequences[0][:, 0, 0], dtype=torch.bool)
        # (modalities, batch, 1, 1)
        there = torch.stack([everywhere if p is None else p for p in present])[..., None, None]
        if self.function == "max":
            largest = stacked.masked_fill(~there, -torch.inf).amax(dim=0)
            return torch.where(there.any(dim=0), largest, 0.0)
        total = torch.where(there, stacked, 0.0).sum(dim=0)
        return total / there.sum(dim=0).clamp(min=1) if self.function == "mean" else total

    def mask(
        self, sequences: list[Tensor], masks: list[Tensor | None], present: list[Tensor | None] | None = None
    ) -> Tensor | None:
        """Which of the result's tokens are neither padding nor missing, (batch, tokens); None where all are taken.

        Args:
            sequences: as ``forward`` takes them.
            masks: of each, (batch, tokens_m); None for one without padding.
            present: as ``forward`` takes it.

        Where tokens are combined, the result's is padding if that of every modality that is there is. No token of a
        modality that is not padded is, nor of one whose tokens were combined to reach another length.
        """
        taken: list[Tensor | None] = []
        for x, mask, there, align in zip(
            sequences, masks, present or [None] * len(masks), self.token_alignment, strict=True
        ):
            if not isinstance(align, nn.Identity):
                mask = None
            if there is not None:
                length = x.shape[1] if self.function == "concat" else self.tokens
                mask = there[:, None] & (there.new_ones(x.shape[0], length) if mask is None else mask)
            taken.append(mask)
        if self.function == "concat":
            if all(mask is None for mask in taken):
                return None
            whole = [torch.ones_like(x[..., 0], dtype=torch.bool) for x in sequences]
            return torch.cat([w if mask is None else mask for w, mask in zip(whole, taken, strict=True)], dim=1)
        union: Tensor | None = None
        for mask in taken:
            if mask is None:
                return None
            union = mask if union is None else union | mask
        return union
