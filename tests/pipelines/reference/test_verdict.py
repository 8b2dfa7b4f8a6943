"""Validation scores choose; the test split only tells how it turned out, and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference_samples import QUICK, network_predictions, references

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.pipelines.reference.results import Verdict
from mixmas_pipeline.pipelines.reference.verdict import choose, conclude, predicted_labels

ROWS, CLASSES = 300, ("cat", "dog")
LABELS = np.arange(ROWS) % 2


def table(task: Any = "multiclass", labels: np.ndarray = LABELS, classes: tuple[str, ...] = CLASSES) -> MultimodalTable:
    schema = TableSchema({name: Modality("tabular", (1,), "float32") for name in "ab"}, task, classes)
    arrays = {name: np.zeros((len(labels), 1), np.float32) for name in "ab"}
    return MultimodalTable(schema, arrays, labels, [str(i) for i in range(len(labels))])


def right(share: float, seed: int) -> np.ndarray:
    """Labels of which so many are right."""
    return np.where(np.random.default_rng(seed).random(ROWS) < share, LABELS, 1 - LABELS)


def verdict(network: float, reference: float, validation: tuple[float, float], error: float = 0.01) -> Verdict:
    """Of test accuracies, and of the validation scores of network and reference."""
    test, labels = table(), right(reference, 1)
    score = (labels == LABELS).mean()
    return conclude(
        test,
        {"validation_split": {"accuracy": validation[0]}, "test": {}},
        network_predictions(test.ids, right(network, 2), CLASSES),
        references(("linear", "a + b", validation[1]), error=error).assign(
            test=score, low=score - 0.06, high=score + 0.06
        ),
        {"linear: a + b": np.eye(2, dtype=np.float32)[labels]},
        QUICK,
    )


@pytest.mark.parametrize(
    ("rows", "network", "expected"),
    [
        ([("linear", "a + b", 0.90), ("trees", "a + b", 0.90)], 0.91, ("linear", "a + b", False)),
        ([("linear", "a + b", 0.80), ("trees", "a + b", 0.90)], 0.91, ("trees", "a + b", False)),
        ([("linear", "a + b", 0.80), ("trees", "a + b", 0.90)], 0.95, ("trees", "a + b", True)),
        ([("linear", "a + b", 0.90), ("linear", "a", 0.91)], 0.5, ("linear", "a + b", False)),
        ([("linear", "a + b", 0.80), ("linear", "b", 0.91)], 0.5, ("linear", "b", False)),
        ([("linear", "a + b", 0.80), ("linear", "b", 0.81)], 0.9, ("linear", "a + b", True)),
    ],
)
def test_the_simplest_within_a_standard_error_is_chosen(
    rows: list[tuple[str, str, float]], network: float, expected: tuple[str, str, bool]
) -> None:
    frame = references(*rows, error=0.02)
    number, recommends_network = choose(frame, network)
    assert (*frame.loc[number, ["model", "modalities"]], recommends_network) == expected


@pytest.mark.parametrize(
    ("network", "reference", "validation", "model", "outcome", "advice"),
    [
        (0.80, 0.81, (0.80, 0.80), "linear", "level", "Use the linear model: it is smaller and faster."),
        (0.60, 0.90, (0.60, 0.90), "linear", "better", "Use the linear model."),
        (0.90, 0.60, (0.80, 0.80), "linear", "worse", "The validation split preferred the linear model. Check both"),
        (0.90, 0.60, (0.90, 0.60), "network", "better", "Use the searched model."),
        (0.80, 0.81, (0.90, 0.80), "network", "level", "size or speed matter, take the linear model"),
        (0.60, 0.90, (0.90, 0.80), "network", "worse", "The validation split preferred the searched model. Check both"),
    ],
)
def test_the_outcome_and_the_advice(
    network: float, reference: float, validation: tuple[float, float], model: str, outcome: str, advice: str
) -> None:
    found = verdict(network, reference, validation)
    assert (found.recommended.model, found.outcome, found.rows) == (model, outcome, ROWS)
    assert advice in found.sentences[1]
    assert found.difference == pytest.approx(found.recommended.test - found.other.test)
    assert found.low <= found.difference <= found.high
    assert f"accuracy {found.recommended.test:.3f} against {found.other.test:.3f}" in found.sentences[0]


def test_the_choice_does_not_look_at_the_test_split() -> None:
    chosen = {verdict(n, r, (0.8, 0.85)).recommended.model for n, r in ((0.95, 0.55), (0.55, 0.95), (0.7, 0.7))}
    assert chosen == {"linear"}


def test_the_interval_is_paired() -> None:
    """Two models that err on the same rows but for a few differ beyond noise, however wide each interval is."""
    test, network = table(), right(0.7, 1)
    better = network.copy()
    better[np.flatnonzero(network != LABELS)[:12]] = LABELS[np.flatnonzero(network != LABELS)[:12]]
    found = conclude(
        test,
        {"validation_split": {"accuracy": 0.7}, "test": {}},
        network_predictions(test.ids, network, CLASSES),
        references(("linear", "a + b", 0.75)).assign(test=(better == LABELS).mean(), low=0.68, high=0.79),
        {"linear: a + b": np.eye(2, dtype=np.float32)[better]},
        QUICK,
    )
    assert found.difference == pytest.approx(12 / ROWS)
    assert found.outcome == "better"
    assert found.recommended.low < found.other.high, "their own intervals overlap"


@pytest.mark.parametrize("weights", [None, (3.0, 0.25)])
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_labels_are_read_from_the_table_of_predictions(task: str, weights: tuple[float, ...] | None) -> None:
    from mixmas_pipeline.models.architecture import FUSED
    from mixmas_pipeline.pipelines.training.evaluation import predictions_table

    logits = np.random.default_rng(0).normal(size=(ROWS, 2)).astype(np.float32)
    labels = {"multiclass": LABELS, "multilabel": np.eye(2, dtype=np.uint8)[LABELS], "regression": logits + 1.0}[task]
    test = table(task, labels, ("one, two", "two"))
    predictions = predictions_table({FUSED: logits, "a": logits}, test, weights)
    found = predicted_labels(predictions, test, dict(zip(test.schema.classes, weights or (), strict=False)))
    np.testing.assert_allclose(found, task_of(task).predict(logits))


def test_predictions_of_other_rows_are_refused() -> None:
    test = table()
    other = network_predictions([f"x{i}" for i in range(ROWS)], LABELS, CLASSES)
    with pytest.raises(ValueError, match="the predictions are of other rows than the test split"):
        conclude(test, {"validation_split": {"accuracy": 1}}, other, references(("linear", "a + b", 0.5)), {}, QUICK)


def test_models_that_are_no_better_than_one_answer_for_all_are_not_recommended() -> None:
    found = verdict(0.52, 0.51, (0.55, 0.54))
    assert (
        "Neither is clearly better than the most frequent class for every row (accuracy 0.500): use neither."
        in (found.sentences[1])
    )
    assert "use neither" not in " ".join(verdict(0.7, 0.51, (0.7, 0.5)).sentences)


def test_a_preferred_model_that_is_no_better_than_a_constant_is_not_just_recommended() -> None:
    """The test split does not choose, but it is said that the other model alone beats the constant."""
    test, labels = table(), right(0.55, 1)
    frame = references(("linear", "a + b", 0.5)).assign(test=0.55, low=0.51, high=0.6)
    found = conclude(
        test,
        {"validation_split": {"accuracy": 0.9}, "test": {}},
        network_predictions(test.ids, right(0.52, 2), CLASSES),
        frame,
        {"linear: a + b": np.eye(2, dtype=np.float32)[labels]},
        QUICK,
    )
    assert found.recommended.model == "network"
    assert found.sentences[1].startswith(
        "The validation split preferred the searched model, but only the linear model is clearly better than the most "
        "frequent class for every row (accuracy 0.500). Check both models"
    )


def test_an_accuracy_below_a_constants_is_no_fault_of_models_for_rare_classes() -> None:
    frame = references(("linear", "a + b", 0.5), error=0.01).assign(test=0.5)
    test, logits = table(), {"linear: a + b": np.eye(2, dtype=np.float32)[right(0.5, 1)]}
    metrics: dict[str, Any] = {"validation_split": {"accuracy": 0.5}, "decision_weights": {"cat": 1.0, "dog": 4.0}}
    found = conclude(test, metrics, network_predictions(test.ids, right(0.5, 2), CLASSES), frame, logits, QUICK)
    assert "use neither" not in " ".join(found.sentences)


def test_an_ensemble_says_what_it_is() -> None:
    frame = references(("linear", "a + b", 0.9), error=0.01).assign(test=0.9)
    test, logits = table(), {"linear: a + b": np.eye(2, dtype=np.float32)[right(0.9, 1)]}
    metrics = {"validation_split": {"accuracy": 0.9}, "weights": {"networks": 0.0, "linear": 1.0}}
    found = conclude(test, metrics, network_predictions(test.ids, right(0.9, 2), CLASSES), frame, logits, QUICK)
    assert "The searched model is an ensemble with the weights networks 0.00, linear 1.00." in found.sentences
    assert any("networks decide nothing" in sentence for sentence in found.sentences)
    metrics["weights"] = {"networks": 0.5, "linear": 0.5}
    found = conclude(test, metrics, network_predictions(test.ids, right(0.9, 2), CLASSES), frame, logits, QUICK)
    assert not any("networks decide nothing" in sentence for sentence in found.sentences)
