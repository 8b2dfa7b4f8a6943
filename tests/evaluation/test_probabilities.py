"""Probabilities against Bayes' rule."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.training.loss import balancing_weights


def test_probabilities_of_balanced_models_are_those_of_the_data() -> None:
    """Two overlapping groups, one of them rare: Bayes' rule gives the true probabilities."""
    rng = np.random.default_rng(0)
    labels = (rng.random(200_000) < 0.05).astype(int)
    x = rng.normal(size=(len(labels), 1)) + 1.5 * labels[:, None]
    weights = balancing_weights(torch.from_numpy(labels), 2, "binary").tolist()
    decision = LogisticRegression(class_weight="balanced").fit(x, labels).decision_function(x)
    logits = np.stack([np.zeros_like(decision), decision], axis=1)
    likely = 0.05 * np.exp(-((x[:, 0] - 1.5) ** 2) / 2)
    truth = likely / (likely + 0.95 * np.exp(-(x[:, 0] ** 2) / 2))
    binary = task_of("binary")
    assert np.abs(binary.probabilities(logits, weights)[:, 1] - truth).max() < 0.03
    assert binary.probabilities(logits)[:, 1].mean() > 0.2, "without the correction far too many"
    columns = binary.prediction_columns(labels, logits, ("no", "yes"), weights)
    np.testing.assert_array_equal(np.array(columns["predicted"]) == "yes", decision > 0)
    assert (columns["confidence"][decision > 0] < 0.5).any(), "decided for, and not the more probable one"
    # Each label of several by itself: the weight is of its presence against its absence.
    of_label = task_of("multilabel").probabilities(decision[:, None], [weights[1] / weights[0]])
    np.testing.assert_allclose(of_label[:, 0], binary.probabilities(logits, weights)[:, 1])
