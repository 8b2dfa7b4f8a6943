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
from mixmas_pipeline.models.encoder import token_mean

_JOINING = ("concat", "late")  # they join the tokens; the others combine them token by token


class FusionFunction(nn.Module):
    """Combine token sequences, (batch, tokens_m, width_m) each, into (batch, tokens, width).

    Args:
        function: one of ``FUSION_FUNCTIONS``.
        shapes: (tokens, width) of each modality, in order.

    Attributes:
        tokens, width: number and width of the fused tokens.
    """

    def __init__(self, function: str, shapes: list[tuple[int, int]]) -> None:
        super().__init__()
        if function not in FUSION_FUNCTIONS:
            raise ValueError(f"unknown fusion function {function!r}; expected one of {FUSION_FUNCTIONS}")
        self.function, self.joins = function, function in _JOINING
        self.width = max(width for _, width in shapes)
        longest = max(tokens for tokens, _ in shapes)
        self.tokens = sum(tokens for tokens, _ in shapes) if self.joins else longest
        self.width_alignment = nn.ModuleList(
            nn.Identity() if width == self.width else nn.Linear(width, self.width) for _, width in shapes
        )
        self.token_alignment = nn.ModuleList(
            nn.Identity() if self.joins or tokens == longest else nn.Linear(tokens, longest) for tokens, _ in shapes
        )
        if function == "gated":
            self.gates = Gates(len(shapes), self.width)

    def forward(
        self,
        sequences: list[Tensor],
        present: list[Tensor | None] | None = None,
        masks: list[Tensor | None] | None = None,
    ) -> Tensor:
        """Fuse one batch.

        Args:
            sequences: one per modality, (batch, tokens_m, width_m).
            present: per modality, (batch,) booleans: whether the example has it; None where all have it. Default: all
                examples have all modalities.
            masks: as for ``mask``; only gates look at them. Default: no padding.

        Returns:
            (batch, tokens, width).
        """
        aligned = [align(x) for align, x in zip(self.width_alignment, sequences, strict=True)]
        if self.joins:
            return torch.cat(aligned, dim=1)
        stacked = torch.stack(
            [align(x.transpose(1, 2)).transpose(1, 2) for align, x in zip(self.token_alignment, aligned, strict=True)]
        )
        has = None
        if present is not None and any(p is not None for p in present):
            everywhere = torch.ones_like(sequences[0][:, 0, 0], dtype=torch.bool)
            # (modalities, batch, 1, 1)
            has = torch.stack([everywhere if p is None else p for p in present])[..., None, None]
        if self.function == "gated":
            pooled = [token_mean(x, m) for x, m in zip(aligned, masks or [None] * len(aligned), strict=True)]
            return (self.gates(torch.stack(pooled)[:, :, None], has) * stacked).sum(dim=0)
        return self._combined(stacked, has)

    def _combined(self, stacked: Tensor, has: Tensor | None) -> Tensor:
        """(modalities, batch, tokens, width) -> (batch, tokens, width): "max", "mean" or "sum" of the present ones."""
        if has is None:
            if self.function == "max":
                return stacked.amax(dim=0)
            return stacked.mean(dim=0) if self.function == "mean" else stacked.sum(dim=0)
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

        Joined tokens keep their modality's mask. With the other functions a fused token is masked only if
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
                length = x.shape[1] if self.joins else self.tokens
                mask = has[:, None] & (has.new_ones(x.shape[0], length) if mask is None else mask)
            by_modality.append(mask)
        if self.joins:
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


class Gates(nn.Module):
    """Weights of the modalities, one per channel, from the pooled tokens of all of them: the gated multimodal unit of
    Arevalo et al. 2017 (arXiv 1702.01992, section 3.1) for any number of modalities.

        gates = softmax over the present modalities of W [x_1, ..., x_M] + b

    The pooled tokens x_m of a missing modality enter as zeros. With two modalities the softmax is the paper's pair
    z, 1 - z with z a sigmoid. The paper's tanh layer of each modality is left out: encoders end in a norm.
    """

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(modalities * width, modalities * width)

    def forward(self, pooled: Tensor, has: Tensor | None = None) -> Tensor:
        """Weights that add up to 1 over the present modalities; 0 for missing ones.

        Args:
            pooled: (modalities, batch, 1, width).
            has: (modalities, batch, 1, 1) booleans: whether the example has the modality. Default: all have all.

        Returns:
            (modalities, batch, 1, width).
        """
        if has is not None:
            pooled = torch.where(has, pooled, 0.0)
        scores = self.linear(pooled.permute(1, 2, 0, 3).flatten(2)).unflatten(2, (len(pooled), -1)).permute(2, 0, 1, 3)
        if has is None:
            return scores.softmax(dim=0)
        lowest = torch.finfo(scores.dtype).min  # not infinity: an example may lack all modalities
        return torch.where(has, scores.masked_fill(~has, lowest).softmax(dim=0), 0.0)


def late_decision(fused: Tensor, heads: list[Tensor], present: list[Tensor | None]) -> Tensor:
    """The mean of the fused head's logits and those of the heads of the present modalities, (batch, classes).

    The softmax of a mean of logits is the normalised geometric mean of the heads' probabilities (a logarithmic opinion
    pool): the mean of log-probabilities differs from it by a number that is the same for all classes. For a multilabel
    task it is the mean of the log-odds, for a regression that of the predictions.

    Args:
        fused: (batch, classes).
        heads: one per modality, (batch, classes).
        present: as for ``FusionFunction``.
    """
    total, count = fused, torch.ones_like(fused[:, :1])
    for logits, has in zip(heads, present, strict=True):
        part = torch.ones_like(count) if has is None else has[:, None].to(count.dtype)
        total = total + (logits if has is None else torch.where(has[:, None], logits, 0.0))
        count = count + part
    return total / count
