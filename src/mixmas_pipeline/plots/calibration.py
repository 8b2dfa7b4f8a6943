"""How far the final model's probabilities can be believed; of a regression, how its errors are distributed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from mixmas_pipeline.evaluation.calibration import calibration_bins, decisions, expected_calibration_error
from mixmas_pipeline.evaluation.class_scores import label_matrix
from mixmas_pipeline.plots import style
from mixmas_pipeline.plots.style import PALETTE, styled


def calibration_figure(predictions: pd.DataFrame, classes: list[str], task: str) -> go.Figure:
    """Share of right decisions against their confidence, in bins (a reliability diagram). On the dotted line the
    probabilities are calibrated; below it the model is overconfident.

    Args:
        predictions: columns ``label`` and ``probability_{class}``.
    """
    probabilities = predictions[[f"probability_{name}" for name in classes]].to_numpy()
    truth = label_matrix(predictions["label"], classes) if task == "multilabel" else _numbers(predictions, classes)
    confidence, correct = decisions(probabilities, truth)
    bins = calibration_bins(confidence, correct)
    largest = max(part.decisions for part in bins)
    figure = go.Figure(
        [
            go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": style.REFERENCE_LINE, "dash": "dot"}),
            go.Scatter(
                x=[part.confidence for part in bins],
                y=[part.accuracy for part in bins],
                mode="lines+markers",
                marker={
                    "color": PALETTE[0],
                    "size": [style.MARKER * (0.5 + np.sqrt(part.decisions / largest)) for part in bins],
                },
                line={"color": PALETTE[0]},
                hovertext=[f"{part.decisions} decisions" for part in bins],
            ),
        ]
    )
    figure.update_xaxes(title_text="confidence", range=[0, 1.02])
    figure.update_yaxes(title_text="share that is right", range=[0, 1.02])
    figure.update_layout(showlegend=False)
    error = expected_calibration_error(confidence, correct)
    return styled(figure, f"Test: calibration (expected calibration error {error:.3f})", style.BARS_HEIGHT)


def error_histogram(predictions: pd.DataFrame, targets: list[str]) -> go.Figure:
    """The distribution of each target's errors, in standard deviations of its true values."""
    figure = go.Figure()
    for colour, name in zip(style.colours_of(targets).values(), targets, strict=True):
        deviation = float(predictions[f"label_{name}"].std(ddof=0)) or 1.0
        errors = predictions[f"error_{name}"] / deviation
        (shown,) = style.literal([name])
        figure.add_trace(go.Histogram(x=errors, name=shown, marker_color=colour, opacity=style.HISTOGRAM_OPACITY))
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title_text="error, in standard deviations of the target")
    figure.update_yaxes(title_text="test examples")
    return styled(figure, "Test: distribution of the errors", style.BARS_HEIGHT)


def _numbers(predictions: pd.DataFrame, classes: list[str]) -> np.ndarray:
    return predictions["label"].map({name: number for number, name in enumerate(classes)}).to_numpy()
