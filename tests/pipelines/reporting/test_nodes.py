"""Which examples are shown and what is written over them, and the numbers that go into the figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixmas_pipeline.data.schema import Task
from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.reporting import nodes
from mixmas_pipeline.plots import examples

Pictures = list[tuple[list[str], list[str]]]


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Pictures:
    """The ids and captions of each picture, instead of its drawing."""
    drawn: Pictures = []

    def note(table: MultimodalTable, captions: list[str]) -> bytes:
        drawn.append((list(table.ids), captions))
        return b"drawing"

    monkeypatch.setattr(examples, "example_picture", note)
    return drawn


def table(task: Task, labels: Any, classes: tuple[str, ...], **extra: list[Any]) -> MultimodalTable:
    """A vector per row; the ids are the rows' numbers."""
    labels = np.array(labels)
    schema = TableSchema({"facts": Modality("tabular", (2,), "float32")}, task, classes)
    columns = {name: np.array(values, dtype=object) for name, values in extra.items()}
    ids = [str(i) for i in range(len(labels))]
    return MultimodalTable(schema, {"facts": np.ones((len(labels), 2), np.float32)}, labels, ids, columns)


def test_each_class_has_its_first_two_examples(pictures: Pictures) -> None:
    labels = [2, 0, 0, 1, 2, 0, 2]
    assert nodes.draw_examples(table("multiclass", labels, ("a", "b", "c"))) == b"drawing"
    assert pictures == [(["1", "3", "0", "2", "4"], ["a", "b", "c", "a", "c"])]


def test_an_example_of_two_classes_is_shown_once_with_its_title(pictures: Pictures) -> None:
    films = table("multilabel", [[1, 1], [1, 0], [0, 1]], ("a", "b"), title=["Rain", "Sun", "Snow"])
    nodes.draw_examples(films)
    assert pictures == [(["0", "2", "1"], ["a: Rain", "b: Snow", "a: Sun"])]


def test_examples_of_a_regression_run_from_the_smallest_to_the_largest_value(pictures: Pictures) -> None:
    values = np.random.default_rng(0).permutation(23).astype(float)
    nodes.draw_examples(table("regression", values[:, None], ("price",)))
    ((ids, captions),) = pictures
    assert captions == [str(value) for value in range(0, 23, 2)]
    assert [values[int(row)] for row in ids] == list(range(0, 23, 2))


def test_a_mistake_names_both_classes_and_the_confidence(pictures: Pictures) -> None:
    nodes.draw_mistakes(table("multiclass", [1, 0], ("a", "b"), predicted=["a", "a"], confidence=[0.9, 0.5]))
    assert pictures == [(["0", "1"], ["b, taken for a (90%)", "no mistake: a"])]


def test_an_error_of_a_regression_is_in_deviations(pictures: Pictures) -> None:
    nodes.draw_mistakes(table("regression", [[1.5]], ("price",), predicted=["4"], deviations=[2.25]))
    assert pictures == [(["0"], ["1.5, predicted 4 (2.2 deviations off)"])]


def test_class_scores_and_their_bars_are_those_of_the_predictions(make_architecture: Callable) -> None:
    """Of two a one is right; the only b is right; c is never predicted."""
    predictions = pd.DataFrame({"label": ["a", "a", "b", "c"], "predicted": ["a", "b", "b", "a"]})
    predictions = predictions.assign(probability_a=[0.8, 0.3, 0.1, 0.8], probability_b=[0.1, 0.6, 0.8, 0.1])
    predictions = predictions.assign(probability_c=0.1)
    history = pd.DataFrame(
        {"epoch": [0], "train_loss": [1.0], "validation_loss": [2.0], "validation_accuracy_fused": [0.75]}
    )
    metrics = {split: {"accuracy": 0.5, "accuracy, most frequent class": 0.25} for split in ("validation", "test")}
    curves, _, confusion, calibration, scores, bars = nodes.draw_model(
        history, metrics, predictions, {}, make_architecture()
    )
    assert scores.values.tolist() == [
        ["a", 0.5, 0.5, 0.5, 2],
        ["b", 0.5, 1.0, pytest.approx(2 / 3), 1],
        ["c", 0.0, 0.0, 0.0, 1],
    ]
    assert {bar.name: list(bar.y) for bar in bars.data}["recall"] == [0.5, 1.0, 0.0]
    np.testing.assert_array_equal(confusion.data[0].text, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])
    assert list(calibration.data[1].y) == [0.0, pytest.approx(2 / 3)], "the decision of 0.6 is wrong, and one of 0.8"
    points = {curve.name: list(curve.y) for curve in curves.data}
    assert points == {"train loss": [1.0], "validation loss": [2.0], "fused": [0.75]}
