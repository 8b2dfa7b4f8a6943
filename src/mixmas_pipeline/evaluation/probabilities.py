"""Probabilities from logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def probabilities(logits: np.ndarray, task: str, class_weights: Sequence[float] | None = None) -> np.ndarray:
    """(n, classes) float64: the softmax, or for a multilabel task the sigmoid, of logits without weights.

    Args:
        task: "multiclass", "binary" or "multilabel".
        class_weights: see ``without_weights``.
    """
    import torch

    raw = torch.from_numpy(without_weights(logits, class_weights))
    return (raw.sigmoid() if task == "multilabel" else raw.softmax(dim=1)).numpy().astype(np.float64)


def without_weights(logits: np.ndarray, class_weights: Sequence[float] | None) -> np.ndarray:
    """Logits whose softmax or sigmoid gives the probabilities in the real data.

    A model trained with class weights learns the probabilities of data in which each class is more frequent by its
    weight. In the real data its odds are smaller by that factor (Saerens et al. 2002, Neural Computation 14, section
    2.2).

    Args:
        logits: (n, classes).
        class_weights: that are in the logits; for a multilabel task of each label's presence against its absence. None:
            all are the same.
    """
    return logits if class_weights is None else logits - np.log(np.array(class_weights, logits.dtype))
