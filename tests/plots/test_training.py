"""Figures of the final model show the tables' numbers, in the tables' order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixmas_pipeline.plots import training

CLASSES = ["b", "a", "c"]


def test_learning_curves_count_epochs_from_one_and_name_the_heads() -> None:
    history = pd.DataFrame(
        {
            "epoch": [0, 1],
            "train_loss": [3.0, 2.0],
            "validation_accuracy_fused": [0.5, 0.6],
            "validation_loss": [4.0, 3.5],
            "validation_accuracy_image": [0.3, 0.4],
            "learning_rate": [0.1, 0.0],
        }
    )
    curves = {
        trace.name: (list(trace.x), list(trace.y), trace.xaxis) for trace in training.history_figure(history).data
    }
    assert curves == {
        "train loss": ([1, 2], [3.0, 2.0], "x"),
        "validation loss": ([1, 2], [4.0, 3.5], "x"),
        "fused": ([1, 2], [0.5, 0.6], "x2"),
        "image head": ([1, 2], [0.3, 0.4], "x2"),
    }


def test_confusion_has_a_row_per_true_class_in_the_given_order() -> None:
    """Of b two are right and one is taken for c; a is always taken for b; c never occurs."""
    predictions = pd.DataFrame({"label": ["b", "b", "b", "a"], "predicted": ["b", "b", "c", "b"]})
    (heatmap,) = training.confusion_figure(predictions, CLASSES, "multiclass").data
    assert list(heatmap.y) == list(heatmap.x) == CLASSES
    np.testing.assert_array_equal(heatmap.text, [[2, 0, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(heatmap.z, [[2 / 3, 0, 1 / 3], [1, 0, 0], [0, 0, 0]])


def test_confusion_of_a_multilabel_task_counts_found_missed_and_false_alarms() -> None:
    predictions = pd.DataFrame({"label": ["a, b", "b", ""], "predicted": ["a", "a, b", "b"]})
    (heatmap,) = training.confusion_figure(predictions, ["a", "b"], "multilabel").data
    assert list(heatmap.x) == ["found", "missed", "false alarm"]
    np.testing.assert_array_equal(heatmap.text, [[1, 0, 1], [1, 1, 1]])
    np.testing.assert_allclose(heatmap.z, [[1, 0, 1], [0.5, 0.5, 0.5]])


def test_class_bars_are_the_scores() -> None:
    scores = pd.DataFrame({"class": CLASSES, "precision": [0.1, 0.2, 0.3], "recall": [0.4, 0.5, 0.6], "f1": [0.7] * 3})
    bars = {bar.name: (list(bar.x), list(bar.y)) for bar in training.class_figure(scores).data}
    assert bars == {name: (CLASSES, list(scores[name])) for name in ("precision", "recall", "f1")}


def test_panels_of_a_regression_show_each_target() -> None:
    predictions = pd.DataFrame(
        {
            "id": ["r1", "r2"],
            "label_price": [1.0, 3.0],
            "predicted_price": [2.0, 2.5],
            "error_price": [1.0, -0.5],
            "label_age": [7.0, 8.0],
            "predicted_age": [7.5, 9.0],
            "error_age": [0.5, 1.0],
        }
    )
    points, diagonal, *of_age = training.truth_figure(predictions, ["price", "age"]).data
    assert (list(points.x), list(points.y), list(points.hovertext)) == ([1.0, 3.0], [2.0, 2.5], ["r1", "r2"])
    assert list(diagonal.x) == list(diagonal.y) == [1.0, 3.0], "from the least to the largest of both"
    assert (list(of_age[0].x), list(of_age[0].y), of_age[0].xaxis) == ([7.0, 8.0], [7.5, 9.0], "x2")
    price, age = training.error_figure(predictions, ["price", "age"]).data
    assert (list(price.y), list(age.y)) == ([1.0, -0.5], [0.5, 1.0])


def test_heads_stand_beside_the_fused_score_and_a_missing_one_is_left_out() -> None:
    metrics = {
        "validation": {"accuracy": 0.8, "f1_macro": 0.7, "accuracy, image head alone": 0.6, "accuracy, dummy": 0.1},
        "test": {"accuracy": 0.75, "f1_macro": 0.7, "accuracy, dummy": 0.2},
        "test_low": {"accuracy": 0.5},
        "test_high": {"accuracy": 0.875},
    }
    figure = training.heads_figure(metrics)
    validation, test = figure.data
    assert list(validation.x) == ["fused", "image head alone", "dummy"]
    assert list(validation.y) == [0.8, 0.6, 0.1]
    assert list(test.y) == [0.75, None, 0.2]
    assert list(test.text) == ["0.750", "", "0.200"]
    assert (list(test.error_y.arrayminus), list(test.error_y.array)) == ([0.25, 0, 0], [0.125, 0, 0])
    assert figure.layout.yaxis.title.text == "accuracy"


def test_sets_of_modalities_keep_the_tables_order_and_unscored_ones_have_no_point() -> None:
    patterns = pd.DataFrame(
        {
            "pattern": ["image + audio", "image", "audio"],
            "metric": "accuracy",
            "rows": [5, 0, 2],
            "score": [0.9, np.nan, 0.4],
            "rows_with_more": [5, 5, 7],
            "score_when_masked": [0.9, 0.6, 0.5],
        }
    )
    figure = training.patterns_figure(patterns)
    masked, exact = figure.data
    assert (list(masked.x), list(masked.y)) == ([0.9, 0.6, 0.5], list(patterns["pattern"]))
    assert (list(exact.x), list(exact.y)) == ([0.9, 0.4], ["image + audio", "audio"])
    assert list(exact.hovertext) == ["5 examples", "2 examples"]
    assert list(figure.layout.yaxis.categoryarray) == list(patterns["pattern"])
    assert figure.layout.xaxis.title.text == "test accuracy"
    assert training.patterns_figure(pd.concat([patterns] * 2)).layout.height > figure.layout.height


@pytest.mark.parametrize("number", [1, 2, 3])
def test_figures_of_targets_grow_by_the_row(number: int) -> None:
    targets = [f"t{i}" for i in range(number)]
    frame = pd.DataFrame({"id": ["r"]} | {f"{kind}_{t}": [1.0] for kind in ("label", "error") for t in targets})
    assert training.error_figure(frame, targets).layout.height == 120 + 400 * (1 if number < 3 else 2)


def test_curves_of_several_members_are_their_mean() -> None:
    """The second member stopped after one epoch."""
    history = pd.DataFrame(
        {
            "member": [0, 0, 1],
            "epoch": [0, 1, 0],
            "train_loss": [4.0, 2.0, 2.0],
            "validation_loss": [1.0, 1.0, 1.0],
            "validation_accuracy_fused": [0.5, 0.75, 0.25],
        }
    )
    points = {curve.name: list(curve.y) for curve in training.history_figure(history).data}
    assert points == {"train loss": [3.0, 2.0], "validation loss": [1.0, 1.0], "fused": [0.375, 0.75]}
