"""Boosted trees as tensors predict what scikit-learn predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from planted import planted
from reference_fits import features_of, logits_of, table
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mixmas_pipeline.data.table import TASKS
from mixmas_pipeline.training import boosted_trees
from mixmas_pipeline.training.reference_problem import Problem
from mixmas_pipeline.training.references import fit_reference

FEW = ("notes", "pulse", "facts")


def forests(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The ensembles that are fitted for good, in order."""
    made: list[Any] = []
    boosting = boosted_trees._boosting

    def noted(*arguments: Any, **settings: Any) -> Any:
        model = boosting(*arguments, **settings)
        if "early_stopping" not in settings:
            made.append(model)
        return model

    monkeypatch.setattr(boosted_trees, "_boosting", noted)
    return made


def test_boosting_of_many_classes_does_not_diverge() -> None:
    """Fifty towns on a map, some of them small. Without a penalty on the leaves, the accuracy on the fitted rows is
    0.17 after thirty iterations."""
    rng = np.random.default_rng(0)
    sizes = np.arange(1, 51) ** -0.8
    labels = rng.choice(50, 2500, p=sizes / sizes.sum())
    places = (rng.uniform(0, 10, (50, 2))[labels] + rng.normal(scale=0.05, size=(2500, 2))).astype(np.float32)
    problem = Problem(
        task="multiclass",
        values=places,
        labels=labels,
        weights=np.ones(2500),
        classes=50,
        scale=np.ones(50),
        offset=np.zeros(50),
        absent=np.zeros(50, bool),
    )
    model = boosted_trees._boosting(problem, 0, max_iter=30).fit(places, labels)
    assert (model.predict(places) == labels).mean() > 0.95


@pytest.mark.parametrize("weights", [np.ones(8), np.array([1, 3, 3, 3, 3, 3, 3, 3.0])])
def test_without_a_feature_every_row_gets_the_share_of_its_class(weights: np.ndarray) -> None:
    """A modality with the same value in all training rows has none."""
    labels = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    problem = Problem(
        task="multiclass",
        values=np.zeros((8, 0), np.float32),
        labels=labels,
        weights=weights,
        classes=2,
        scale=np.ones(2),
        offset=np.zeros(2),
        absent=np.zeros(2, bool),
    )
    tensors, _ = boosted_trees.fit_trees(problem, [np.arange(4), np.arange(4, 8)], seed=0)
    shares = np.array([weights[1:].sum(), weights[0]]) / weights.sum()
    np.testing.assert_allclose(tensors["baseline"].numpy(), np.log(shares), rtol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_trees_predict_what_scikit_learn_predicts(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = forests(monkeypatch)
    train, other = planted(task, FEW, 150, 0), planted(task, FEW, 60, 1)
    model = fit_reference("trees", train, FEW, 0)
    for rows in (train, other):
        logits, features = torch.from_numpy(logits_of(model, rows)), features_of(model, rows)
        if task == "regression":
            own = np.stack([m.predict(features) for m in made], axis=1)
            deviation = train.labels.astype(np.float64).std(axis=0)
            expected = own * deviation + train.labels.astype(np.float64).mean(axis=0)
            np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4 * deviation.max())
            assert isinstance(made[0], HistGradientBoostingRegressor)
            continue
        if task == "multilabel":
            expected = np.stack([m.predict_proba(features)[:, 1] for m in made], axis=1)
            found = logits.sigmoid()
        else:
            (forest,) = made
            assert isinstance(forest, HistGradientBoostingClassifier)
            expected, found = forest.predict_proba(features), logits.softmax(dim=1)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_balanced_trees_predict_what_scikit_learn_predicts_of_the_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    """With weights, values are binned first: to the smallest of 63 quantiles that is not below them."""
    made = forests(monkeypatch)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 5)).round(3).astype(np.float32)
    labels = (values[:, 0] + values[:, 1] ** 2 + rng.normal(size=400) > 2).astype(np.int64)
    rows = table(values, labels, "binary", ("no", "yes"))
    model = fit_reference("trees", rows, ("facts",), 0, balance="classes")
    edges = [np.sort(column)[np.ceil(400 * np.arange(1, 64) / 63).astype(int) - 1] for column in values.T]
    binned = np.column_stack([e[np.searchsorted(e, column)] for e, column in zip(edges, values.T, strict=True)])
    logits = logits_of(model, rows)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], made[0].decision_function(binned), atol=1e-5)
    assert len(np.unique(binned[:, 0])) == 63


@pytest.mark.parametrize("balance", ["none", "classes"])
def test_rounding_sends_no_row_to_the_other_side(balance: str) -> None:
    """Means of 0 and 1 in another order of summation: each value, 0 too, has neighbours that hardly differ."""
    rng = np.random.default_rng(0)
    exact = (rng.integers(0, 12, size=(300, 4)) / 11 * 0.3).astype(np.float32)
    labels = (exact[:, 0] + exact[:, 1] > 0.35).astype(np.int64)

    def rounded(seed: int) -> np.ndarray:
        last = np.random.default_rng(seed).integers(-3, 4, exact.shape)
        return exact * (1 + last * np.float32(6e-8)) + np.where(exact == 0, last * np.float32(1e-8), 0)

    model = fit_reference("trees", table(rounded(1), labels, "binary", ("no", "yes")), ("facts",), 0, balance=balance)
    found = [logits_of(model, table(values, labels, "binary", ("no", "yes"))) for values in (exact, rounded(2))]
    np.testing.assert_array_equal(*found)
    assert (found[0].argmax(axis=1) == labels).mean() > 0.95


def test_rounding_of_zero_is_that_of_typical_values() -> None:
    """The deviation of equal numbers is seldom exactly 0."""
    found = boosted_trees._Levels.of(np.array([0, 1e-8, 2e-8, 0.3, 0.3000001, 0.4], np.float32))
    np.testing.assert_allclose(found.low, np.float32([0, 0.3, 0.4]))
    np.testing.assert_allclose(found.high, np.float32([2e-8, 0.3000001, 0.4]))


@pytest.mark.parametrize(
    ("low", "high", "outlier"),
    [(48.83, 48.87, None), (20_240_101, 20_241_231, None), (0, 1, 99_999.0), (0, 1e20, None), (-1, 1, None)],
    ids=["latitudes", "dates", "outlier", "huge", "around 0"],
)
@pytest.mark.parametrize("balance", ["none", "classes"])
def test_dense_features_keep_what_they_say(low: float, high: float, outlier: float | None, balance: str) -> None:
    """Rounding is a few units of the last place: values that are close for other reasons are apart."""
    rng = np.random.default_rng(0)
    values = rng.uniform(low, high, size=(1500, 2)).astype(np.float32)
    labels = (values[:, 0] > (low + high) / 2).astype(np.int64)
    if outlier is not None:
        values[0] = outlier
    rows = table(values, labels, "binary", ("no", "yes"))
    model = fit_reference("trees", rows, ("facts",), 0, balance=balance)
    assert (logits_of(model, rows).argmax(axis=1) == labels).mean() > 0.97
