"""Mixup (Zhang et al. 2018): training examples are blended in pairs, inputs and labels alike; and label smoothing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mixmas_pipeline.models.architecture import Input
from mixmas_pipeline.training.augmentation import as_float, keep_padding


def blend(
    inputs: Mapping[str, Tensor],
    targets: Tensor,
    present: Mapping[str, Tensor],
    given: Mapping[str, Input],
    share: float,
    partners: Tensor,
) -> tuple[dict[str, Tensor], Tensor]:
    """Every example becomes ``share`` of itself and ``1 - share`` of its partner.

    Two examples that do not have the same modalities are not blended. Of a padded modality those steps are blended that
    both have; the others stay.

    Args:
        inputs: modality -> (batch, *shape), as stored.
        targets: (batch, classes or targets), see ``soft_targets``.
        present: see ``MultimodalMixer``.
        given: modality -> its padding.
        share: between 0 and 1.
        partners: (batch,) row numbers.

    Returns:
        Inputs, as floats, and targets.
    """
    alike = torch.ones(len(targets), dtype=torch.bool, device=targets.device)
    for mask in present.values():
        alike &= mask == mask[partners]
    kept = torch.where(alike, share, 1.0).to(targets.dtype)

    def blended(x: Tensor) -> Tensor:
        return x.index_select(0, partners).lerp_(x, kept.to(x.dtype).view(-1, *[1] * (x.dim() - 1)))

    mixed = {}
    for name, stored in inputs.items():
        x = as_float(stored)
        mixed[name] = blended(x)
        if given[name].padded:
            both = (x != 0).any(dim=-1, keepdim=True) & (x[partners] != 0).any(dim=-1, keepdim=True)
            mixed[name] = keep_padding(x, torch.where(both, mixed[name], x))
    return mixed, blended(targets)


def soft_targets(labels: Tensor, task: str, classes: int, smoothing: float) -> Tensor:
    """Labels as numbers that can be blended: (batch, classes) probabilities, or a regression's (batch, targets).

    Args:
        labels: as ``loss.task_loss`` takes them.
        task: as an ``Architecture`` has it.
        classes: their number.
        smoothing: share of the probability that is spread evenly: over the classes, or over a label's presence and
            absence. It does nothing in a regression.
    """
    if task == "regression":
        return as_float(labels)
    if task == "multilabel":
        return labels.float() * (1 - smoothing) + smoothing / 2
    return F.one_hot(labels.long(), classes).float() * (1 - smoothing) + smoothing / classes
