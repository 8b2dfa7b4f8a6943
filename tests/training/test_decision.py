"""The weights of a decision are its threshold in other words."""

from __future__ import annotations

import numpy as np
import pytest

from mixmas_pipeline.evaluation.metrics import expected_thresholds
from mixmas_pipeline.training.decision import choose_decision_weights


@pytest.mark.parametrize("class_weights", [None, (0.55, 5.5)], ids=["plain", "balanced"])
def test_a_binary_decision_is_above_the_threshold(class_weights: tuple[float, ...] | None) -> None:
    chances = np.random.default_rng(0).beta(0.3, 3, size=500)
    logits = np.log(np.stack([1 - chances, chances], axis=1) * (class_weights or 1))
    weights = choose_decision_weights(logits, "binary", "f1_macro", class_weights)
    (threshold,) = expected_thresholds(np.stack([1 - chances, chances], axis=1), "f1_macro", "binary")
    assert 0.1 < threshold < 0.45
    assert weights is not None
    np.testing.assert_array_equal(chances * weights[1] > (1 - chances) * weights[0], chances > threshold)


def test_each_label_has_its_own() -> None:
    chances = np.random.default_rng(0).beta((0.5, 2), (1, 1), size=(300, 2))
    weights = choose_decision_weights(np.log(chances / (1 - chances)), "multilabel", "f1_macro", None)
    thresholds = expected_thresholds(chances, "f1_macro", "multilabel")
    assert weights is not None
    np.testing.assert_array_equal(chances * weights > 1 - chances, chances > thresholds)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_have_none(task: str) -> None:
    assert choose_decision_weights(np.zeros((3, 2)), task, "accuracy", None) is None
