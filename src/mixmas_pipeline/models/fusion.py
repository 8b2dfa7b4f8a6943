"""Fusion of any number of token sequences.

Unequal sequences: those that are narrower than the widest are first projected to its width, each by one linear layer
over its channels. ``concat`` then joins them along the token axis, whatever their lengths. ``max``, ``mean`` and
``sum`` combine them token by token, so shorter sequences are first brought to the longest one's length by one linear
layer over their tokens: nothing is cropped, and no order is assumed. Sequences that already agree get no layer.

Missing sequences: only the modalities that an example has take part. ``max``, ``mean`` and ``sum`` are over those.
``concat`` keeps the missing modality's tokens and masks them like padding.
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
        tokens, width: number and width of the fused tokens.
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
        """Fuse one batch.

        Args:
            sequences: one per modality, (batch, tokens_m, width_m).
            present: per modality, (batch,) booleans: whether the example has it; None where all have it. Default: all
                examples have all modalities.

        Returns:
            (batch, tokens, width).
        """
        aligned = [align(x) for align, x in zip(self.width_alignment, sequences, strict=True)]
        if self.function == "concat":
            return torch.cat(aligned, dim=1)
        stacked = torch.stack(
            [align(x.transpose(1, 2)).transpose(1, 2) for align, x in zip(self.token_alignment, aligned, strict=True)]
        )
        if present is None or all(has is None for has in present):
            if self.function == "max":
                return stacked.amax(dim=0)
            return stacked.mean(dim=0) if self.function == "mean" else stacked.sum(dim=0)
        everywhere = torch.ones_like(sequences[0][:, 0, 0], dtype=torch.bool)
        # (modalities, batch, 1, 1)
        has = torch.stack([everywhere if p is None else p for p in present])[..., None, None]
        if self.function == "max":
            largest = stacked.masked_fill(~has, -torch.inf).amax(dim=0)
            return torch.where(has.any(dim=0), largest, 0.0)
        total = torch.where(has, stacked, 0.0).sum(dim=0)
        return total / has.sum(dim=0).clamp(min=1) if self.function == "mean" else total

    def mask(
        self, sequences: list[Tensor], masks: list[Tensor | None], present: list[Tensor | None] | None = None
    ) -> Tensor | None:
        """Mask of the fused tokens: (batch, tokens) booleans, false for padding and missing ones; None if no token is
        masked.

        With ``concat`` every token keeps its modality's mask. With the other functions a fused token is masked only if
        it is masked in every present modality. Tokens of a modality without padding are not masked, and neither are
        those that one layer over the tokens has brought to another length.

        Args:
            sequences: as for ``forward``.
            masks: per modality, (batch, tokens_m) booleans, false for padding; None without padding.
            present: as for ``forward``.
        """
        by_modality: list[Tensor | None] = []
        for x, mask, has, align in zip(
            sequences, masks, present or [None] * len(masks), self.token_alignment, strict=True
        ):
            if not isinstance(align, nn.Identity):
                mask = None
            if has is not None:
                length = x.shape[1] if self.function == "concat" else self.tokens
                mask = has[:, None] & (has.new_ones(x.shape[0], length) if mask is None else mask)
            by_modality.append(mask)
        if self.function == "concat":
            if all(mask is None for mask in by_modality):
                return None
            whole = [torch.ones_like(x[..., 0], dtype=torch.bool) for x in sequences]
            return torch.cat([w if mask is None else mask for w, mask in zip(whole, by_modality, strict=True)], dim=1)
        union: Tensor | None = None
        for mask in by_modality:
            if mask is None:
                return None
            union = mask if union is None else union | mask
        return union
