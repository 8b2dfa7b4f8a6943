"""Chance levels and errors of differences, against what can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.evaluation.significance import chance, difference_error
from mixmas_pipeline.models.architecture import Architecture

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]

METRICS = ["accuracy", "f1_macro", "f1_weighted", "f1_micro", "f1_samples"]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shares", [(0.9, 0.1), (0.5, 0.3, 0.2), (0.25, 0.25, 0.25, 0.25)])
def test_a_majority_class_predictor_is_at_chance(metric: str, shares: tuple[float, ...]) -> None:
    labels = np.repeat(np.arange(len(shares)), [round(100 * share) for share in shares])
    predicted = np.zeros(100, dtype=np.int64)
    at_chance = chance(metric, labels, predicted, len(shares), 20, seed=0)
    assert at_chance.mean == pytest.approx(score(metric, labels, predicted, len(shares)), abs=1e-12)
    assert at_chance.std == pytest.approx(0, abs=1e-12)
    if metric == "accuracy":
        assert at_chance.mean == pytest.approx(shares[0])


@pytest.mark.parametrize("metric", METRICS)
def test_a_constant_label_set_is_at_chance(metric: str) -> None:
    labels = np.random.default_rng(0).random((80, 4)) < (0.8, 0.5, 0.1, 0.02)
    predicted = np.tile([True, True, False, False], (80, 1))
    at_chance = chance(metric, labels, predicted, 4, 20, seed=0)
    assert at_chance.mean == pytest.approx(score(metric, labels, predicted, 4), abs=1e-12)
    assert at_chance.std == pytest.approx(0, abs=1e-12)


def test_chance_of_balanced_guesses() -> None:
    """Shuffled labels agree with 1 in k, with the spread of a draw without replacement."""
    n, k = 400, 4
    labels = np.arange(n) % k
    at_chance = chance("accuracy", labels, labels, k, 2000, seed=1)
    assert at_chance.mean == pytest.approx(1 / k, abs=0.003)
    # Hits of a random permutation between two equally split label columns: n (k - 1) / k^2 * n / (n - 1).
    assert at_chance.std == pytest.approx(((k - 1) / k**2 / (n - 1)) ** 0.5, rel=0.06)


def test_chance_depends_on_its_seed_only() -> None:
    labels = np.random.default_rng(0).integers(3, size=50)
    drawn = [chance("f1_macro", labels, labels[::-1], 3, 10, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("multilabel", [False, True])
def test_identical_predictions_differ_by_nothing(metric: str, multilabel: bool) -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((40, 3)) < 0.4 if multilabel else rng.integers(3, size=40)
    predicted = rng.random((3, 40, 3)) < 0.4 if multilabel else rng.integers(3, size=(3, 40))
    assert difference_error(metric, labels, predicted, predicted, 3, 50, seed=0) == 0


def guesses(labels: np.ndarray, right: float, seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Predictions of which a share is right."""
    hit = rng.random((seeds, len(labels))) < right
    return np.where(hit, labels, (labels + 1) % 3)


@pytest.mark.parametrize("metric", METRICS)
def test_difference_error_shrinks_with_the_examples(metric: str) -> None:
    rng = np.random.default_rng(3)
    errors = []
    for n in (40, 4000):
        labels = rng.integers(3, size=n)
        a, b = guesses(labels, 0.8, 8, rng), guesses(labels, 0.7, 8, rng)
        errors.append(difference_error(metric, labels, a, b, 3, 100, seed=0))
    assert errors[0] > 5 * errors[1] > 0  # 10 times, in expectation


def test_difference_error_over_examples_by_hand() -> None:
    """Without a spread between seeds: that of the mean of the examples' differences."""
    rng = np.random.default_rng(4)
    labels = rng.integers(3, size=500)
    a, b = (np.tile(guesses(labels, right, 1, rng), (3, 1)) for right in (0.8, 0.6))
    differences = (a[0] == labels).astype(float) - (b[0] == labels)
    error = difference_error("accuracy", labels, a, b, 3, 2000, seed=0)
    assert error == pytest.approx(differences.std() / 500**0.5, rel=0.06)


def test_difference_error_over_seeds_by_hand() -> None:
    """Without a spread between examples: a is always right; b with one seed always, with the other never."""
    labels = np.arange(30) % 3
    wrong = (labels + 1) % 3
    error = difference_error("accuracy", labels, np.stack([labels] * 2), np.stack([labels, wrong]), 3, 50, seed=0)
    assert error == pytest.approx(0.5)  # differences 0 and 1: deviation sqrt(1/2), over sqrt(2)


def test_difference_error_of_a_single_seed_is_that_of_the_examples() -> None:
    """Right on all against right on half: a Bernoulli difference of standard deviation 1/2 an example."""
    labels = np.zeros(400, dtype=int)
    wrong = np.arange(400) % 2
    error = difference_error("accuracy", labels, labels[None], wrong[None], 3, 2000, seed=0)
    assert error == pytest.approx(0.5 / 400**0.5, rel=0.1)


def test_difference_error_is_paired() -> None:
    """Candidates that err on the same examples are told apart better than two that err on any."""
    rng = np.random.default_rng(5)
    labels = rng.integers(3, size=300)
    a = np.tile(guesses(labels, 0.7, 1, rng), (3, 1))
    close = a.copy()
    close[:, :9] = (labels[:9] + 1) % 3
    unrelated = np.tile(guesses(labels, 0.7, 1, rng), (3, 1))
    errors = [difference_error("accuracy", labels, a, b, 3, 200, seed=0) for b in (close, unrelated)]
    assert errors[0] < errors[1] / 2


def test_difference_error_is_symmetric_and_depends_on_its_seed_only() -> None:
    rng = np.random.default_rng(6)
    labels = rng.integers(3, size=100)
    a, b = guesses(labels, 0.8, 2, rng), guesses(labels, 0.6, 2, rng)
    error = difference_error("f1_weighted", labels, a, b, 3, 60, seed=1)
    assert error == pytest.approx(difference_error("f1_weighted", labels, b, a, 3, 60, seed=1))
    assert error == difference_error("f1_weighted", labels, a, b, 3, 60, seed=1)
    assert error != difference_error("f1_weighted", labels, a, b, 3, 60, seed=2)


def test_candidates_with_other_numbers_of_seeds_cannot_be_paired() -> None:
    labels = np.array([0, 1, 2])
    with pytest.raises(ValueError, match="zip"):
        difference_error("accuracy", labels, np.stack([labels] * 2), np.stack([labels] * 3), 3, 50, seed=0)


@pytest.mark.parametrize("n", [30, 81, 400])
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_chance_of_r2_depends_on_the_rows_only(n: int, spread: float) -> None:
    """Correlations of n unrelated pairs: their squares have mean 1 / (n - 1) and deviation about sqrt(2) times that."""
    labels = np.random.default_rng(0).normal(size=(n, 1))
    found = chance("r2", labels, spread * labels + 3, 1, 2000, seed=0)
    assert found.mean == pytest.approx(1 / (n - 1), rel=0.1)
    assert found.std == pytest.approx(2**0.5 / (n - 1), rel=0.2)


def test_good_predictions_of_few_rows_are_above_chance_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(30, 1))
    level = chance("r2", labels, labels, 1, 500, seed=0)
    above = level.mean + 3 * level.std
    assert score("r2", labels, 0.6 * labels + 0.4 * rng.normal(size=(30, 1)), 1) > above
    scores = [score("r2", labels, 0.5 * rng.normal(size=(30, 1)), 1) for _ in range(500)]
    assert np.mean(np.array(scores) > above) < 0.01


def test_to_answer_with_the_mean_is_chance() -> None:
    labels = np.random.default_rng(0).normal(size=(400, 1))
    constant = chance("r2", labels, np.full_like(labels, labels.mean()), 1, 20, seed=0)
    assert (constant.mean, constant.std) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
