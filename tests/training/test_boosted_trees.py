"""Boosted trees as tensors predict what scikit-learn predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from planted import planted
from reference_fits import features_of, logits_of, table
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mixmas_pipeline.data.table import TASKS, MultimodalTable
from mixmas_pipeline.training import boosted_trees, references
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
    values = rng.normal(size=(400, 5)).astype(np.float32)
    labels = (values[:, 0] + values[:, 1] ** 2 + rng.normal(size=400) > 2).astype(np.int64)
    rows = table(values, labels, "binary", ("no", "yes"))
    model = fit_reference("trees", rows, ("facts",), 0, balance="classes")
    edges = [np.sort(column)[np.ceil(400 * np.arange(1, 64) / 63).astype(int) - 1] for column in values.T]
    binned = np.column_stack([e[np.searchsorted(e, column)] for e, column in zip(edges, values.T, strict=True)])
    logits = logits_of(model, rows)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], made[0].decision_function(binned), atol=1e-5)
    assert len(np.unique(binned[:, 0])) == 63


def test_a_value_at_a_threshold_goes_where_scikit_learn_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds lie between neighbouring float32 numbers, where rounding could move one onto a value."""
    made = forests(monkeypatch)
    steps = np.float32(1) + np.arange(40, dtype=np.float32) * np.finfo(np.float32).eps
    values = np.repeat(steps, 5)[:, None] * np.ones((1, 3), np.float32)
    rows = table(values, np.repeat(np.arange(40) // 7 % 3, 5))
    monkeypatch.setattr(references, "_read", keep_all)
    model = fit_reference("trees", rows, ("facts",), 0)
    expected = made[0].predict_proba(values)
    assert len(np.unique(expected.argmax(axis=1))) == 3
    np.testing.assert_allclose(torch.from_numpy(logits_of(model, rows)).softmax(1), expected, atol=1e-5)


def keep_all(rows: MultimodalTable, inputs: Any, numbers: np.ndarray) -> Any:
    """Without dropping columns that hardly vary."""
    features = references.Features(inputs)
    return features, references.compute_features(features, rows, numbers), []
