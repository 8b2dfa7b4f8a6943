"""Scores against scikit-learn; chance and errors of differences against what can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, r2_score

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import best_thresholds, expected_thresholds, predict, score
from mixmas_pipeline.models.architecture import Architecture

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


METRICS = ["accuracy", "f1_macro", "f1_weighted", "f1_micro", "f1_samples"]


def sklearn_score(metric: str, labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    if metric == "accuracy":
        return float(accuracy_score(labels, predicted))
    average = metric.removeprefix("f1_")
    if average == "samples" and labels.ndim == 1:
        labels, predicted = np.eye(classes)[labels], np.eye(classes)[predicted]
        return float(f1_score(labels, predicted, average=average, zero_division=0))
    return float(f1_score(labels, predicted, labels=range(classes), average=average, zero_division=0))


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Labels and predictions of either task; some classes never occur."""
    classes, rows = draw(st.integers(2, 5)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    if draw(st.booleans()):
        shares = draw(st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 1.0])] * 2))
        truth, guess = (rng.random((rows, classes)) < share for share in shares)
        return truth.astype(np.uint8), guess, classes
    seen = draw(st.integers(1, classes))
    return rng.integers(seen, size=rows).astype(np.uint8), rng.integers(classes, size=rows), classes


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=40)
@given(case=predictions())
def test_score_is_that_of_scikit_learn(metric: str, case: tuple[np.ndarray, np.ndarray, int]) -> None:
    assert score(metric, *case) == pytest.approx(sklearn_score(metric, *case), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_perfect_and_hopeless_predictions(metric: str) -> None:
    labels = np.array([0, 1, 2, 2])
    assert score(metric, labels, labels, 3) == 1
    assert score(metric, labels, (labels + 1) % 3, 3) == 0
    sets = np.array([[1, 0], [0, 1], [1, 1]])
    assert score(metric, sets, sets.astype(bool), 2) == 1
    assert score(metric, sets[:2], sets[:2] == 0, 2) == 0


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown metric 'auc'; expected one of accuracy, f1_macro"):
        score("auc", np.array([0]), np.array([0]), 2)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**16), rows=st.integers(1, 25), classes=st.integers(1, 3), steps=st.integers(1, 6))
def test_no_threshold_beats_the_best_one(seed: int, rows: int, classes: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random((rows, classes)) < rng.random()
    scores = rng.integers(steps + 1, size=(rows, classes)) / steps  # many equal ones
    found = best_thresholds(labels, scores)
    for c in range(classes):
        if not labels[:, c].any():
            assert found[c] == 0.5
            continue
        cuts = (-0.01, *np.arange(steps) / steps)
        best = max(f1_score(labels[:, c], scores[:, c] > cut, zero_division=0) for cut in cuts)
        assert f1_score(labels[:, c], scores[:, c] > found[c], zero_division=0) == pytest.approx(best)


def test_predict() -> None:
    logits = np.array([[0.1, -3.0, 0.2], [5.0, 4.9, -1.0], [-2.0, -1.0, -1.5]])
    assert predict(logits, "multiclass").tolist() == [2, 0, 1]
    assert predict(logits, "multilabel").tolist() == [[True, False, True], [True, True, False], [False] * 3]


# --- Chance


# --- Error of a difference


# --- Regression and binary tasks


@settings(max_examples=60)
@given(seed=st.integers(0, 2**16), rows=st.integers(2, 20), targets=st.integers(1, 3), constant=st.booleans())
def test_r2_is_that_of_scikit_learn(seed: int, rows: int, targets: int, constant: bool) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = 1000 + 5 * rng.normal(size=(2, rows, targets))
    if constant:
        labels[:, 0] = 7
        predicted[:, 0] = rng.choice([7, 8])
    expected = r2_score(labels, predicted)
    assert score("r2", labels, predicted, targets) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_f1_is_the_positive_class_s() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(2, size=(2, 60))
    assert score("f1", labels, predicted, 2) == pytest.approx(f1_score(labels, predicted))


@pytest.mark.parametrize("metric", ["f1", "f1_macro", "f1_weighted", "accuracy"])
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_expected_thresholds_have_the_best_mean_score(metric: str, share: float) -> None:
    """Of labels that are drawn, again and again, with these probabilities."""
    rng = np.random.default_rng(0)
    chances = rng.beta(share * 2, (1 - share) * 2, size=400)
    drawn = rng.random((300, 400)) < chances
    (found,) = expected_thresholds(np.stack([1 - chances, chances], axis=1), metric, "binary")

    def mean(threshold: float) -> float:
        predicted = (chances > threshold).astype(int)
        return float(np.mean([score(metric, labels.astype(int), predicted, 2) for labels in drawn]))

    best = max(mean(threshold) for threshold in np.linspace(0.02, 0.98, 49))
    assert mean(found) > best - 0.007  # less than 0.005 is not worth another threshold than 0.5
    assert mean(found) >= mean(0.5) - 1e-9
    if metric == "accuracy":
        assert found == 0.5


def test_expected_thresholds_of_labels() -> None:
    """Their own for the mean F1, a common one for the micro F1."""
    rng = np.random.default_rng(1)
    chances = np.column_stack([rng.beta(0.3, 2, size=200), rng.beta(0.5, 0.7, size=200)])
    found = expected_thresholds(chances, "f1_weighted", "multilabel")
    for column, threshold in zip(chances.T, found, strict=True):
        (alone,) = expected_thresholds(np.stack([1 - column, column], axis=1), "f1", "binary")
        assert threshold == alone
    assert found[0] != found[1]
    micro = expected_thresholds(chances, "f1_micro", "multilabel")
    (together,) = expected_thresholds(np.stack([1 - chances.ravel(), chances.ravel()], axis=1), "f1", "binary")
    assert micro.tolist() == [together] * 2
    for metric in ("accuracy", "f1_samples"):
        assert expected_thresholds(chances, metric, "multilabel").tolist() == [0.5] * 2


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-4])
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_probabilities_that_say_nothing_are_not_cut_apart(noise: float, task: str) -> None:
    rare = 0.005 + noise * np.random.default_rng(0).normal(size=500)
    chances = np.stack([1 - rare, rare], axis=1) if task == "binary" else rare[:, None]
    (threshold,) = expected_thresholds(chances, "f1_macro", task)
    assert not (rare > threshold).any()
    assert expected_thresholds(np.zeros((3, 2)), "f1", task)[0] == 0.5, "not even 0"


@pytest.mark.parametrize("n", [1, 2])
def test_expected_thresholds_of_one_row(n: int) -> None:
    chances = np.array([[0.4, 0.6], [0.7, 0.3]])[:n]
    for metric in ("f1", "f1_macro", "f1_weighted", "accuracy"):
        assert 0 < expected_thresholds(chances, metric, "binary")[0] < 1
