"""Figures of the final model: learning curves, confusion, scores per class, target, head and set of modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mixmas_pipeline.evaluation.class_scores import label_matrix
from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.plots import style
from mixmas_pipeline.plots.style import PALETTE, panels, score_range, styled


def history_figure(history: pd.DataFrame) -> go.Figure:
    """Losses, and validation scores of every head, by epoch. Of several members: the mean over those that are still
    trained in that epoch."""
    if "member" in history:
        history = history.drop(columns="member").groupby("epoch", as_index=False).mean()
    figure = make_subplots(rows=1, cols=2, subplot_titles=("loss", "validation score"))
    for colour, column in zip(PALETTE, ("train_loss", "validation_loss"), strict=False):
        figure.add_trace(_curve(history, column, column.replace("_", " "), colour), row=1, col=1)
    prefix = next(c for c in history if c.endswith(f"_{FUSED}")).removesuffix(FUSED)  # validation_{metric}_
    scores = [c for c in history if c.startswith(prefix)]
    for colour, column in zip(PALETTE, scores, strict=False):
        head = column.removeprefix(prefix)
        figure.add_trace(_curve(history, column, head if head == FUSED else f"{head} head", colour), row=1, col=2)
    figure.update_xaxes(title_text="epoch")
    return styled(figure, "Final model: learning curves", style.HISTORY_HEIGHT)


def _curve(history: pd.DataFrame, column: str, name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=history["epoch"] + 1, y=history[column], name=name, line={"color": colour}, mode="lines+markers"
    )


def confusion_figure(predictions: pd.DataFrame, classes: list[str], task: str) -> go.Figure:
    """Counts of true classes (rows) and predicted classes (columns); colour: share of the true class. For a multilabel
    task the columns are found, missed, false alarm."""
    if task != "multilabel":
        counts = pd.crosstab(predictions["label"], predictions["predicted"]).reindex(
            index=classes, columns=classes, fill_value=0
        )
        shares = counts.to_numpy() / np.maximum(counts.to_numpy().sum(axis=1, keepdims=True), 1)
        text, columns = counts.to_numpy(), style.literal(classes)
    else:
        truth, guess = label_matrix(predictions["label"], classes), label_matrix(predictions["predicted"], classes)
        text = np.stack([(truth & guess).sum(0), (truth & ~guess).sum(0), (~truth & guess).sum(0)], axis=1)
        shares = text / np.maximum(truth.sum(0), 1)[:, None]
        columns = ["found", "missed", "false alarm"]
    look = {"texttemplate": "%{text}", "colorscale": style.COUNTS_SCALE, "zmin": 0, "zmax": 1}
    figure = go.Figure(go.Heatmap(z=shares, x=columns, y=style.literal(classes), text=text, **look))
    figure.update_xaxes(title_text="predicted", type="category")
    figure.update_yaxes(title_text="true", type="category", autorange="reversed")
    return styled(figure, "Test: confusion (counts; colour: share of the true class)", style.CONFUSION_HEIGHT)


def class_figure(scores: pd.DataFrame) -> go.Figure:
    """Precision, recall and F1 of each class as bars."""
    figure = go.Figure(
        [
            go.Bar(x=style.literal(scores["class"]), y=scores[name], name=name, marker_color=colour)
            for colour, name in zip(PALETTE, ("precision", "recall", "f1"), strict=False)
        ]
    )
    figure.update_xaxes(type="category", title_text="class")
    figure.update_yaxes(range=[0, 1])
    return styled(figure, "Test: scores of each class", style.BARS_HEIGHT)


def truth_figure(predictions: pd.DataFrame, targets: list[str]) -> go.Figure:
    """Predicted against true values, one panel per target; on the dotted line they are equal."""
    figure, panel = panels(targets)
    for name in targets:
        truth, predicted = predictions[f"label_{name}"], predictions[f"predicted_{name}"]
        ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
        figure.add_trace(_examples(predictions, truth, predicted, PALETTE[0]), **panel[name])
        diagonal = {"color": style.REFERENCE_LINE, "dash": "dot"}
        figure.add_trace(go.Scatter(x=ends, y=ends, mode="lines", line=diagonal), **panel[name])
        figure.update_xaxes(title_text="true", **panel[name])
        figure.update_yaxes(title_text="predicted", **panel[name])
    figure.update_layout(showlegend=False)
    return styled(figure, "Test: predicted against true", _targets_height(targets))


def error_figure(predictions: pd.DataFrame, targets: list[str]) -> go.Figure:
    """Errors (predicted less true) against true values, one panel per target."""
    figure, panel = panels(targets)
    for name in targets:
        truth, error = predictions[f"label_{name}"], predictions[f"error_{name}"]
        figure.add_trace(_examples(predictions, truth, error, PALETTE[1]), **panel[name])
        figure.add_hline(y=0, line_color=style.REFERENCE_LINE, line_dash="dot", **panel[name])
        figure.update_xaxes(title_text="true", **panel[name])
        figure.update_yaxes(title_text="predicted less true", **panel[name])
    figure.update_layout(showlegend=False)
    return styled(figure, "Test: errors", _targets_height(targets))


def _examples(predictions: pd.DataFrame, x: pd.Series, y: pd.Series, colour: str) -> go.Scatter:
    """One point per example; its id shows on hovering."""
    points = {"size": style.EXAMPLE_MARKER, "color": colour, "opacity": style.EXAMPLE_OPACITY}
    return go.Scatter(x=x, y=y, mode="markers", marker=points, hovertext=style.literal(predictions["id"]))


def _targets_height(targets: list[str]) -> int:
    return style.TARGETS_HEIGHT + style.TARGET_HEIGHT * -(-len(targets) // 2)


def heads_figure(metrics: dict[str, dict[str, float]]) -> go.Figure:
    """Scores of the fused model, of each modality's own head and of the dummy baseline, on validation and test. A head
    is left out of a split in which no example has its modality."""
    first = metrics["validation"]
    headline = next(name for name in first if ", " in name).split(", ")[0]
    alone = [name for name in first if name.startswith(f"{headline}, ")]
    names = [headline, *alone]
    labels = ["fused", *(name.split(", ")[1] for name in alone)]
    figure = go.Figure(
        [
            go.Bar(
                x=labels,
                y=[metrics[split].get(name) for name in names],
                error_y=_interval(metrics, names) if split == "test" else None,
                name=split,
                marker_color=colour,
                text=[f"{metrics[split][name]:.3f}" if name in metrics[split] else "" for name in names],
            )
            for colour, split in zip(PALETTE, ("validation", "test"), strict=False)
        ]
    )
    scores = [metrics[split][name] for split in ("validation", "test") for name in names if name in metrics[split]]
    figure.update_yaxes(range=score_range(scores))
    figure.update_yaxes(title_text=headline)
    return styled(figure, "What each modality contributes", style.BARS_HEIGHT)


def _interval(metrics: dict[str, dict[str, float]], names: list[str]) -> dict[str, Any]:
    """The 95 % intervals of the test scores, as error bars; 0 for scores without one."""
    value, low, high = metrics["test"], metrics.get("test_low", {}), metrics.get("test_high", {})
    return {
        "type": "data",
        "array": [high[name] - value[name] if name in high else 0 for name in names],
        "arrayminus": [value[name] - low[name] if name in low else 0 for name in names],
    }


def patterns_figure(patterns: pd.DataFrame) -> go.Figure:
    """Score of every set of modalities, the largest on top: on the test examples with exactly this set, and on all that
    have it when the other modalities are masked."""
    figure = go.Figure()
    for colour, symbol, column, count, name in (
        (PALETTE[0], "circle", "score_when_masked", "rows_with_more", "all that have these, the rest left out"),
        (PALETTE[1], "diamond-open", "score", "rows", "those that have exactly these"),
    ):
        scored = patterns[patterns[column].notna()]
        figure.add_trace(
            go.Scatter(
                x=scored[column],
                y=scored["pattern"],
                mode="markers",
                name=name,
                marker={"color": colour, "symbol": symbol, "size": style.PATTERN_MARKER},
                hovertext=[f"{rows} examples" for rows in scored[count]],
            )
        )
    order = {"categoryorder": "array", "categoryarray": list(patterns["pattern"]), "autorange": "reversed"}
    figure.update_yaxes(type="category", automargin=True, **order)
    figure.update_xaxes(title_text=f"test {patterns['metric'].iloc[0]}")
    figure.update_layout(legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0})
    height = style.PATTERNS_HEIGHT + style.PATTERN_HEIGHT * len(patterns)
    return styled(figure, "Test: score by what is there", height)
