"""Bootstrap intervals against the formula of a proportion and against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from mixmas_pipeline.evaluation.intervals import bootstrap_interval, difference_interval, score_intervals
from mixmas_pipeline.evaluation.metrics import score

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 400)
GOOD = np.where(RNG.random(400) < 0.8, LABELS, (LABELS + 1) % 3)
WEAK = np.where(RNG.random(400) < 0.6, LABELS, (LABELS + 1) % 3)


def test_the_interval_of_accuracy_is_that_of_a_proportion() -> None:
    found = bootstrap_interval("accuracy", LABELS, GOOD, 3, 4000, 0)
    p = (LABELS == GOOD).mean()
    error = np.sqrt(p * (1 - p) / 400)
    assert found.value == pytest.approx(p)
    assert found.error == pytest.approx(error, rel=0.05)
    assert (found.low, found.high) == pytest.approx((p - 1.96 * error, p + 1.96 * error), abs=0.005)


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "f1_weighted"])
def test_a_difference_is_paired(metric: str) -> None:
    found = difference_interval(metric, LABELS, GOOD, WEAK, 3, 200, 7)
    rng, differences = np.random.default_rng(7), []
    for _ in range(200):
        rows = rng.integers(400, size=400)
        differences.append(score(metric, LABELS[rows], GOOD[rows], 3) - score(metric, LABELS[rows], WEAK[rows], 3))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(differences, [2.5, 97.5])))
    assert found.low > 0
    swapped = difference_interval(metric, LABELS, WEAK, GOOD, 3, 200, 7)
    assert (swapped.value, swapped.low, swapped.high) == pytest.approx((-found.value, -found.high, -found.low))
    assert difference_interval(metric, LABELS, GOOD, GOOD, 3, 50, 0) == (0, 0, 0, 0)


def test_it_holds_in_95_of_100_samples() -> None:
    rng, inside = np.random.default_rng(1), 0
    for trial in range(200):
        right = rng.random(150) < 0.7
        found = bootstrap_interval("accuracy", np.ones(150, int), right.astype(int), 2, 200, trial)
        inside += found.low <= 0.7 <= found.high
    assert 0.89 < inside / 200 < 0.99


def test_an_accuracy_without_a_mistake_is_no_certainty() -> None:
    """As scipy has it. Other scores, and differences, keep the limits of the resamples."""
    wilson = binomtest(60, 60).proportion_ci(method="wilson").low
    labels = np.arange(60) % 2
    assert bootstrap_interval("accuracy", labels, labels, 2, 50, 0) == (1, pytest.approx(wilson, abs=1e-5), 1, 0)
    assert bootstrap_interval("accuracy", labels, 1 - labels, 2, 50, 0) == (
        0,
        0,
        pytest.approx(1 - wilson, abs=1e-5),
        0,
    )
    assert difference_interval("accuracy", labels, labels, labels, 2, 50, 0) == (0, 0, 0, 0)
    assert bootstrap_interval("f1_macro", labels, labels, 2, 50, 0) == (1, 1, 1, 0)


def test_sets_of_labels_and_numbers_have_intervals_too() -> None:
    truth = RNG.random((60, 3)) < 0.5
    found = bootstrap_interval("f1_weighted", truth, truth, 3, 50, 0)
    assert found == (1, 1, 1, 0)
    numbers = RNG.normal(size=(60, 2))
    found = bootstrap_interval("r2", numbers, numbers + 0.1 * RNG.normal(size=(60, 2)), 2, 100, 0)
    assert 0.9 < found.low < found.value < found.high < 1


def test_limits_of_several_scores_are_those_of_each() -> None:
    """The first as ``bootstrap_interval`` finds it; a score that half of the resamples lack is of the others."""
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 2, 300), rng.integers(0, 2, 300)

    def scores(rows: np.ndarray) -> dict[str, float]:
        found = {"accuracy": float((labels[rows] == predicted[rows]).mean())}
        return found | ({"even": 1.0} if rows[0] % 2 == 0 else {})

    low, high = score_intervals(scores, 300, 200, 7)
    expected = bootstrap_interval("accuracy", labels, predicted, 2, 200, 7)
    assert (low["accuracy"], high["accuracy"]) == pytest.approx((expected.low, expected.high))
    assert (low["even"], high["even"]) == (1.0, 1.0)
