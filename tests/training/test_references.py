"""What is fitted is what scikit-learn fits, from the given rows only, and degenerate rows give the right answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from planted import planted
from reference_fits import features_of, logits_of, noise, table
from sklearn.linear_model import LogisticRegression, Ridge

from mixmas_pipeline.data.table import TASKS
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.ensemble import decision_weights
from mixmas_pipeline.models.reference import ReferenceModel, standardised
from mixmas_pipeline.training import references
from mixmas_pipeline.training.references import fit_reference

KINDS = ("linear", "trees")
ALL = ("photo", "sound", "notes", "pulse", "facts", "graph")
FEW = ("notes", "pulse", "facts")


def tensors(model: ReferenceModel) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


# --- scikit-learn is the reference --------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_linear_models_are_those_of_scikit_learn(task: str) -> None:
    train, other = planted(task, ALL, 400, 0), planted(task, ALL, 60, 1)
    model = fit_reference("linear", train, ALL, 0)
    state, penalty = model.scores.state_dict(), model.architecture.penalty
    assert penalty is not None
    x, z = (
        standardised(torch.from_numpy(features_of(model, rows)).double(), state["mean"], state["std"]).numpy()
        for rows in (train, other)
    )
    logits = torch.from_numpy(logits_of(model, other))
    if task == "regression":
        deviation = train.labels.std(axis=0)
        targets = (train.labels - train.labels.mean(axis=0)) / deviation
        expected = Ridge(penalty * len(x)).fit(x, targets).predict(z) * deviation + train.labels.mean(axis=0)
        np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=0.01 * deviation.min())
        return
    columns = train.labels.T if task == "multilabel" else [train.labels]
    fitted = [LogisticRegression(C=1 / (penalty * len(x)), tol=1e-8, max_iter=5000).fit(x, y) for y in columns]
    if task == "multilabel":
        expected = np.stack([model.predict_proba(z)[:, 1] for model in fitted], axis=1)
        np.testing.assert_allclose(logits.sigmoid(), expected, atol=0.03)
    else:
        np.testing.assert_allclose(logits.softmax(dim=1), fitted[0].predict_proba(z), atol=0.03)


def test_a_given_penalty_is_not_chosen_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    train = planted("multiclass", FEW, 200, 0)
    chosen = fit_reference("linear", train, FEW, 0)
    monkeypatch.delattr(references, "_choose_penalty")
    given = fit_reference("linear", train, FEW, 0, penalty=chosen.architecture.penalty)
    for name, tensor in tensors(chosen).items():
        np.testing.assert_array_equal(tensors(given)[name], tensor)


def test_with_more_features_than_rows_nothing_is_lost() -> None:
    """The rows' own space has the same solution."""
    x = noise(40, 200)
    y = (x[:, 0] > 0).astype(int)
    model = fit_reference("linear", table(x, y, "binary", "ab"), ("facts",), 0)
    penalty = model.architecture.penalty
    assert penalty is not None
    state = model.scores.state_dict()
    z = standardised(torch.from_numpy(x.astype(np.float32)).double(), state["mean"], state["std"]).numpy()
    whole = LogisticRegression(C=1 / (penalty * 40), tol=1e-8, max_iter=5000).fit(z, y)
    np.testing.assert_allclose(state["weight"][:, 1], whole.coef_[0], atol=2e-3)


# --- what decides ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_it_learns_and_is_the_same_every_time(kind: Any, task: str) -> None:
    train, other = planted(task, FEW, 300, 0, missing={"facts": 0.3}), planted(task, FEW, 200, 1)
    first, second = (fit_reference(kind, train, FEW, 3) for _ in range(2))
    assert first.architecture == second.architecture
    for name, array in tensors(first).items():
        np.testing.assert_array_equal(array, tensors(second)[name])
    logits = logits_of(first, other)
    if task == "regression":
        assert np.corrcoef(logits[:, 0], other.labels[:, 0])[0, 1] > 0.6
    elif task == "multilabel":
        assert ((logits > 0) == other.labels).mean() > 0.65
    else:
        assert (logits.argmax(axis=1) == other.labels).mean() > (0.7 if task == "binary" else 0.55)


def test_the_penalty_follows_the_noise() -> None:
    x = noise(200, 30)
    clear = fit_reference("linear", table(x, (x[:, 0] > 0).astype(int), "binary", "ab"), ("facts",), 0)
    luck = np.random.default_rng(5).integers(0, 2, 200)
    nothing = fit_reference("linear", table(x, luck, "binary", "ab"), ("facts",), 0)
    assert clear.architecture.penalty < nothing.architecture.penalty  # type: ignore[operator]
    assert np.abs(logits_of(nothing, table(noise(50, 30, 9), np.zeros(50, int), "binary", "ab"))).max() < 1.5


def test_balanced_classes_weigh_the_same() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(600) < 0.08).astype(int)
    rows = table(rng.normal(size=(600, 2)) + labels[:, None], labels, "binary", "ab")
    for kind in KINDS:
        plain, balanced = (fit_reference(kind, rows, ("facts",), 0, balance=b) for b in ("none", "classes"))  # type: ignore[arg-type]
        shares = [logits_of(model, rows).argmax(axis=1).mean() for model in (plain, balanced)]
        assert shares[1] > shares[0] + 0.1, kind
        weights = balanced.architecture.class_weights
        assert weights == pytest.approx(600 / (2 * np.bincount(labels)))
        chance = task_of("binary").probabilities(logits_of(balanced, rows), weights)[:, 1].mean()
        assert chance == pytest.approx(labels.mean(), abs=0.02), "probabilities are those of the rows"


@pytest.mark.parametrize("kind", KINDS)
def test_decisions_are_good_for_the_metric(kind: Any) -> None:
    """Of a rare class in overlapping groups: balanced weights find far too many, and 0.5 finds hardly any."""
    rng = np.random.default_rng(0)
    labels = (rng.random(4000) < 0.06).astype(int)
    values = rng.normal(size=(4000, 2)) + 1.2 * labels[:, None]
    first, second = (table(values[half], labels[half], "binary", "ab") for half in (slice(2000), slice(2000, None)))
    scores = {}
    for metric in (None, "f1_macro", "accuracy"):
        model = fit_reference(kind, first, ("facts",), 0, balance="classes", metric=metric)
        predicted = logits_of(model, second).argmax(axis=1)
        scores[metric] = [score(m, labels[2000:], predicted, 2) for m in ("f1_macro", "accuracy")]
        weights = decision_weights(model)
        chance = task_of("binary").probabilities(logits_of(model, second), weights)[:, 1]
        assert chance.mean() == pytest.approx(0.06, abs=0.02), "the probabilities stay"
        if metric == "accuracy":
            np.testing.assert_array_equal(predicted, chance > 0.5)
    assert scores["f1_macro"][0] > scores[None][0] + 0.03
    assert scores["f1_macro"][0] > scores["accuracy"][0] + 0.02
    assert scores["accuracy"][1] == max(s[1] for s in scores.values())


def test_rows_and_features_are_bounded_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    values = noise(500, 30)
    values[:, 7] *= 100
    values[:, 3] = 4.0
    monkeypatch.setattr(references, "MOST_FEATURES", 10)
    rows = table(values, np.arange(500) % 3)
    model = fit_reference("linear", rows, ("facts",), 0, max_rows=90)
    described = model.architecture
    assert (described.rows, described.features) == (90, 10)
    assert described.bounded == (
        "fitted on 90 of 500 rows",
        "10 of 29 features of facts: those with the largest variance",
    )
    assert 7 in tensors(model)["features.keep"]
    assert 3 not in tensors(model)["features.keep"]


# --- degenerate rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_rows_is_very_unlikely_and_finite(kind: Any) -> None:
    x = noise(60)
    rows = table(x, np.where(x[:, 0] > 0, 2, 0))
    logits = logits_of(fit_reference(kind, rows, ("facts",), 0), rows)
    assert np.isfinite(logits).all()
    assert np.exp(logits[:, 1]).max() < 1e-10
    assert (logits.argmax(axis=1) == rows.labels).mean() > 0.9
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 2, 30])
def test_one_class_only_is_predicted_always(kind: Any, rows: int) -> None:
    logits = logits_of(
        fit_reference(kind, table(noise(rows), np.ones(rows, int)), ("facts",), 0), table(noise(9), [0] * 9)
    )
    np.testing.assert_allclose(np.exp(logits), np.tile([0.0, 1.0, 0.0], (9, 1)), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_per_class_is_enough(kind: Any) -> None:
    logits = logits_of(fit_reference(kind, table(noise(3), [0, 1, 2]), ("facts",), 0), table(noise(9), [0] * 9))
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("kind", KINDS)
def test_constant_columns_say_nothing(kind: Any) -> None:
    labels = np.array([0, 0, 0, 1, 1, 2] * 10)
    model = fit_reference(kind, table(np.full((60, 4), 1e6), labels), ("facts",), 0)
    assert model.architecture.features == 0
    probabilities = np.exp(logits_of(model, table(noise(5, 4), [0] * 5)))
    np.testing.assert_allclose(probabilities, np.tile([1 / 2, 1 / 3, 1 / 6], (5, 1)), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_targets_that_never_change(kind: Any) -> None:
    x = noise(60)
    labels = np.stack([np.ones(60), np.zeros(60), x[:, 0] > 0], axis=1).astype(np.uint8)
    logits = logits_of(
        fit_reference(kind, table(x, labels, "multilabel"), ("facts",), 0), table(x, labels, "multilabel")
    )
    assert (logits[:, 0] > 3).all()
    assert (logits[:, 1] < -3).all()
    assert ((logits[:, 2] > 0) == labels[:, 2]).mean() > 0.9
    targets = np.stack([np.full(60, 7.0), 1e6 + x[:, 0]], axis=1)
    rows = table(x, targets, "regression", "yz")
    predicted = logits_of(fit_reference(kind, rows, ("facts",), 0), rows)
    np.testing.assert_allclose(predicted[:, 0], 7)
    assert np.corrcoef(predicted[:, 1], targets[:, 1])[0, 1] > 0.8


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="unknown modality 'fcts'; expected some of facts"):
        fit_reference("linear", table(noise(3), [0, 1, 2]), ("fcts",), 0)
    rows = table(noise(9), noise(9, 1), "regression", "y")
    with pytest.raises(ValueError, match="a regression has none"):
        fit_reference("linear", rows, ("facts",), 0, balance="classes")
