"""The multi-head loss of M2-Mixer (Bezirganyan et al. 2023, IEEE BigData):

    L = w_f L_fused + (1 - w_f) / M * sum over the M modalities of L_m

with w_f = 1 / (M + 1) at first, so that every head weighs the same, and optionally growing by a step an epoch up to 1.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mixmas_pipeline.mixers.model import FUSED


def task_loss(logits: Tensor, labels: Tensor, task: str) -> Tensor:
    """Mean loss of one head: cross-entropy, or binary cross-entropy with logits for "multilabel".

    Args:
        logits: (batch, classes).
        labels: (batch,) class indices, or (batch, classes) of 0 and 1.
        task: "multiclass" or "multilabel".
    """
    if task == "multilabel":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return F.cross_entropy(logits, labels.long())


def fusion_weight(modalities: int, epoch: int, step: float) -> float:
    """w_f at an epoch (from 0): 1 / (modalities + 1) + epoch * step, at most 1."""
    return min(1.0, 1 / (modalities + 1) + epoch * step)


def multi_head_loss(logits: dict[str, Tensor], labels: Tensor, task: str, weight: float) -> Tensor:
    """The loss above.

    Args:
        logits: of every head, as ``MultimodalMixer`` returns them.
        labels: see ``task_loss``.
        weight: w_f.
    """
    fused = task_loss(logits[FUSED], labels, task)
    auxiliary = [task_loss(head, labels, task) for name, head in logits.items() if name != FUSED]
    if len(auxiliary) == 1:  # a single modality: its head is the fused one
        return fused
    return weight * fused + (1 - weight) / len(auxiliary) * sum(auxiliary)
