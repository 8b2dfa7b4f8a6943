"""The figures' points, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from mixmas_pipeline.plots.calibration import calibration_figure, error_histogram


def test_reliability_diagram() -> None:
    predictions = pd.DataFrame(
        {"label": ["cat", "dog", "dog"], "probability_cat": [0.95, 0.35, 0.75], "probability_dog": [0.05, 0.65, 0.25]}
    )
    figure = calibration_figure(predictions, ["cat", "dog"], "binary")
    points = figure.data[1]
    assert list(points.x) == pytest.approx([0.65, 0.75, 0.95])
    assert list(points.y) == [1.0, 0.0, 1.0]
    assert "0.383" in figure.layout.title.text  # (0.35 + 0.75 + 0.05) / 3


def test_labels_of_a_row_are_decided_one_by_one() -> None:
    predictions = pd.DataFrame(
        {"label": ["cat, dog", ""], "probability_cat": [0.9, 0.9], "probability_dog": [0.9, 0.1]}
    )
    points = calibration_figure(predictions, ["cat", "dog"], "multilabel").data[1]
    assert list(points.y) == [0.75]
    assert points.hovertext == ("4 decisions",)


def test_errors_are_in_deviations_of_the_target() -> None:
    predictions = pd.DataFrame({"label_age": [10.0, 30.0], "error_age": [5.0, -20.0]})
    figure = error_histogram(predictions, ["age"])
    assert list(figure.data[0].x) == [0.5, -2.0]
