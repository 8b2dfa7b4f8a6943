"""The multi-head loss of M2-Mixer (Bezirganyan et al. 2023, IEEE BigData):

    L = w_f L_fused + (1 - w_f) / M * sum over the M modalities of L_m

with w_f = 1 / (M + 1) at first, so that every head weighs the same. Optionally w_f grows by a step per epoch, up to 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.multimodal import FUSED
from mixmas_pipeline.training.parameters import OptimiserParameters


def task_loss(
    logits: Tensor, labels: Tensor, task: str, scale: Tensor | None = None, counted: Tensor | None = None
) -> Tensor:
    """Mean loss of one head: cross-entropy; for "multilabel" binary cross-entropy with logits; for "regression" the
    mean squared error of standardised values, over examples and targets.

    Args:
        logits: (batch, classes), or (batch, targets).
        labels: (batch,) class indices; (batch, classes) of 0 and 1; or (batch, targets) numbers. Classes may also be
            (batch, classes) probabilities, and 0 and 1 anything between.
        task: as an ``Architecture`` has it.
        scale: (classes,) or (targets,). The weight of a class's examples (the mean is a weighted mean); for
            "multilabel" the weight of a positive label against a negative one; for "regression" the standard deviation
            that divides a target's errors. Default: all 1.
        counted: (batch,) booleans: the mean is over these examples; without any the loss is 0. Default: all.
    """
    if counted is not None:
        return _mean_of_counted(logits, labels, task, scale, counted)
    if _are_soft(labels, task):
        return _mean_of_counted(logits, labels, task, scale, torch.ones_like(labels[:, 0], dtype=torch.bool))
    if task == "regression":
        errors = logits - labels.to(logits.dtype)
        return (errors if scale is None else errors / scale).square().mean()
    if task == "multilabel":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), pos_weight=scale)
    return F.cross_entropy(logits, labels.long(), weight=scale)


def _are_soft(labels: Tensor, task: str) -> bool:
    """Whether they are probabilities of classes."""
    return task in ("multiclass", "binary") and labels.dim() == 2


def _mean_of_counted(logits: Tensor, labels: Tensor, task: str, scale: Tensor | None, counted: Tensor) -> Tensor:
    weights = counted.to(logits.dtype)
    if task == "regression":
        errors = logits - labels.to(logits.dtype)
        losses = (errors if scale is None else errors / scale).square().mean(dim=1)
    elif task == "multilabel":
        truth = labels.to(logits.dtype)
        losses = F.binary_cross_entropy_with_logits(logits, truth, pos_weight=scale, reduction="none").mean(dim=1)
    elif _are_soft(labels, task):
        # Each class's part of an example has the class's weight, as its whole examples have.
        logarithms = logits.log_softmax(dim=1)
        parts = labels.to(logarithms.dtype) if scale is None else labels * scale.to(logarithms.dtype)
        total = (parts.sum(dim=1) * weights).sum()
        losses = -(parts * logarithms).sum(dim=1)
        return (losses * weights).sum() / torch.where(total > 0, total, torch.ones_like(total))
    else:
        losses = F.cross_entropy(logits, labels.long(), reduction="none")
        weights = weights if scale is None else weights * scale[labels.long()]
    total = weights.sum()
    return (losses * weights).sum() / torch.where(total > 0, total, torch.ones_like(total))


def balancing_weights(labels: Tensor, classes: int, task: str) -> Tensor:
    """Class weights that make rare classes count as much as frequent ones, (classes,) float32.

    Multiclass and binary: n / (classes * n_c), so that every class has the same total weight (King and Zeng 2001).
    Multilabel: (n - n_c) / n_c, so that a label's presence and absence weigh the same in total. A class that no example
    has, or (multilabel) that every example has, gets 1. Weights are not bounded: a class with one example in a
    thousand counts as much as the others, and so does its noise.

    Args:
        labels: of the training data, as ``task_loss`` takes them.
        classes: number of classes.
        task: "multiclass", "binary" or "multilabel".

    Raises:
        ValueError: a regression has no classes.
    """
    if task == "regression":
        raise ValueError("balance is 'classes', and a regression has none; expected balance: none")
    if task == "multilabel":
        counts = labels.float().sum(dim=0)
        weights = (len(labels) - counts) / counts
    else:
        counts = torch.bincount(labels.long(), minlength=classes).float()
        weights = len(labels) / (classes * counts)
    decided = (counts > 0) & ((counts < len(labels)) | (task != "multilabel"))
    return torch.where(decided, weights, torch.ones_like(weights))


def loss_scale(parameters: OptimiserParameters, labels: Tensor, architecture: Architecture) -> Tensor | None:
    """The ``scale`` of ``task_loss``, float32: weights of the classes, from the training labels, or the targets'
    standard deviations; None if all classes weigh the same.

    Raises:
        ValueError: classes are to be balanced in a regression.
    """
    if parameters.balance != "none":
        return balancing_weights(labels, len(architecture.classes), architecture.task)
    return None if architecture.targets is None else torch.tensor(architecture.targets.std, device=labels.device)


def fusion_weight(modalities: int, epoch: int, step: float) -> float:
    """w_f at an epoch (from 0): 1 / (modalities + 1) + epoch * step, at most 1."""
    return min(1.0, 1 / (modalities + 1) + epoch * step)


def multi_head_loss(
    logits: dict[str, Tensor],
    labels: Tensor,
    task: str,
    weight: float,
    scale: Tensor | None = None,
    present: dict[str, Tensor] | None = None,
    shares: dict[str, float] | None = None,
) -> Tensor:
    """The loss above.

    Args:
        logits: of every head, as ``MultimodalMixer`` returns them.
        labels, scale: see ``task_loss``.
        weight: w_f.
        present: as ``MultimodalMixer`` takes it. The loss of a modality's head is the mean over the examples that have
            the modality; in a batch without any it is 0.
        shares: modality -> factor of its head's loss. Default 1.
    """
    present, shares = present or {}, shares or {}

    def head_loss(name: str) -> Tensor:
        loss = task_loss(logits[name], labels, task, scale, present.get(name))
        return shares[name] * loss if name in shares else loss

    auxiliary = [head_loss(name) for name in logits if name != FUSED]
    if len(auxiliary) == 1:  # a single modality: its head is the fused one
        return auxiliary[0]
    fused = task_loss(logits[FUSED], labels, task, scale)
    return weight * fused + (1 - weight) / len(auxiliary) * sum(auxiliary)
