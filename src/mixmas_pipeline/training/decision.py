"""How the finished model decides: which weights of the classes promise the best score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixmas_pipeline.evaluation.metrics import expected_thresholds
from mixmas_pipeline.evaluation.probabilities import probabilities


def choose_decision_weights(
    logits: np.ndarray, task: str, metric: str, class_weights: Sequence[float] | None
) -> tuple[float, ...] | None:
    """The ``decision_weights`` of a model of a binary or multilabel task, see ``models.ensemble.EnsembleConfig``; None
    of other tasks.

    They follow from the probabilities alone, see ``metrics.expected_thresholds``: no label is looked at.

    Args:
        logits: (n, classes), with the weights of the loss.
        metric: the score that decisions are to be good for.
        class_weights: of the loss.
    """
    if task not in ("binary", "multilabel"):
        return None
    thresholds = expected_thresholds(probabilities(logits, task, class_weights), metric, task)
    odds = tuple(((1 - thresholds) / thresholds).tolist())
    return (1.0, *odds) if task == "binary" else odds
