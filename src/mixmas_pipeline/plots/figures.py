"""The figures. Each function takes artefacts and returns a plotly figure, or a picture as PNG bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import FUSED

COLOURS = ("#2f6db5", "#d1702a", "#3b8f5a", "#8a4fa3", "#b8363f", "#6d6d6d", "#a38b1d", "#2a8c99")


def leaderboard_figure(leaderboard: pd.DataFrame, metric: str) -> go.Figure:
    """Score with its spread over the seeds against FLOPs an example, one panel a stage; the chosen one is a star."""
    stages = list(leaderboard["stage"].unique())
    colours = _colours(leaderboard["candidate"])
    figure, place = _panels(stages)
    shown: set[str] = set()
    for stage in stages:
        rows = leaderboard[leaderboard["stage"] == stage]
        for row in rows.itertuples():
            text = f"{row.mean:.3f} ± {row.spread:.3f}, {row.parameters:,} parameters, {row.seconds:.0f} s"
            figure.add_trace(
                go.Scatter(
                    x=[row.flops_per_example / 1e6],
                    y=[row.mean],
                    error_y={"type": "data", "array": [row.spread]},
                    mode="markers",
                    marker={
                        "size": 18 if row.chosen else 10,
                        "symbol": "star" if row.chosen else "circle",
                        "color": colours[row.candidate],
                    },
                    name=row.candidate,
                    legendgroup=row.candidate,
                    showlegend=row.candidate not in shown,
                    hovertext=f"{row.candidate}: {text}",
                ),
                **place[stage],
            )
            shown.add(row.candidate)
        low, high = rows["flops_per_example"].min() / 1e6, rows["flops_per_example"].max() / 1e6
        margin = max(0.3 * (high - low), 0.1 * high)
        figure.update_xaxes(title_text="MFLOP an example", range=[low - margin, high + margin], **place[stage])
    figure.update_yaxes(title_text=f"held-out {metric}", col=1)
    return _styled(figure, "Candidates: score (± standard deviation over seeds) against cost; star: chosen", 640)


def candidate_curves(losses: pd.DataFrame) -> go.Figure:
    """Training loss of every candidate by step, mean over the seeds, one panel a stage."""
    stages = list(losses["stage"].unique())
    colours = _colours(losses["candidate"])
    figure, place = _panels(stages)
    shown: set[str] = set()
    for (stage, name), rows in losses.groupby(["stage", "candidate"], sort=False):
        mean = rows.groupby("step")["loss"].mean()
        figure.add_trace(
            go.Scatter(
                x=mean.index,
                y=mean,
                name=name,
                legendgroup=name,
                showlegend=name not in shown,
                line={"color": colours[name]},
            ),
            **place[stage],
        )
        shown.add(name)
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text="training loss", col=1)
    return _styled(figure, "Candidates: training loss", 640)


def history_figure(history: pd.DataFrame) -> go.Figure:
    """Losses and validation scores of every head of the final model, by epoch."""
    figure = make_subplots(rows=1, cols=2, subplot_titles=("loss", "validation score"))
    for colour, column in zip(COLOURS, ("train_loss", "validation_loss"), strict=False):
        figure.add_trace(_line(history, column, column.replace("_", " "), colour), row=1, col=1)
    prefix = next(c for c in history if c.endswith(f"_{FUSED}")).removesuffix(FUSED)  # validation_{metric}_
    scores = [c for c in history if c.startswith(prefix)]
    for colour, column in zip(COLOURS, scores, strict=False):
        head = column.removeprefix(prefix)
        figure.add_trace(_line(history, column, head if head == FUSED else f"{head} head", colour), row=1, col=2)
    figure.update_xaxes(title_text="epoch")
    return _styled(figure, "Final model: learning curves", 380)


def confusion_figure(predictions: pd.DataFrame, classes: list[str], task: str) -> go.Figure:
    """Rows: true class, columns: predicted class, shares of the true class. Multilabel: one column "found" a class."""
    if task != "multilabel":
        counts = pd.crosstab(predictions["label"], predictions["predicted"]).reindex(
            index=classes, columns=classes, fill_value=0
        )
        shares = counts.to_numpy() / np.maximum(counts.to_numpy().sum(axis=1, keepdims=True), 1)
        text, columns = counts.to_numpy(), classes
    else:
        truth, guess = _label_matrix(predictions["label"], classes), _label_matrix(predictions["predicted"], classes)
        text = np.stack([(truth & guess).sum(0), (truth & ~guess).sum(0), (~truth & guess).sum(0)], axis=1)
        shares = text / np.maximum(truth.sum(0), 1)[:, None]
        columns = ["found", "missed", "false alarm"]
    figure = go.Figure(
        go.Heatmap(
            z=shares, x=columns, y=classes, text=text, texttemplate="%{text}", colorscale="Blues", zmin=0, zmax=1
        )
    )
    figure.update_xaxes(title_text="predicted", type="category")
    figure.update_yaxes(title_text="true", type="category", autorange="reversed")
    return _styled(figure, "Test: confusion (counts; colour: share of the true class)", 520)


def class_scores(predictions: pd.DataFrame, classes: list[str], thresholds: dict[str, float]) -> pd.DataFrame:
    """Precision, recall, F1 and number of examples of each class, on the test split; with thresholds tuned on the
    validation split also those, and F1 with them."""
    truth, guess = _label_matrix(predictions["label"], classes), _label_matrix(predictions["predicted"], classes)
    hits, support, guessed = (truth & guess).sum(0), truth.sum(0), guess.sum(0)
    scores = pd.DataFrame(
        {
            "class": classes,
            "precision": hits / np.maximum(guessed, 1),
            "recall": hits / np.maximum(support, 1),
            "f1": 2 * hits / np.maximum(support + guessed, 1),
            "examples": support,
        }
    )
    if thresholds:
        tuned = predictions[[f"probability_{name}" for name in classes]].to_numpy() > [thresholds[c] for c in classes]
        scores["tuned threshold"] = [thresholds[name] for name in classes]
        scores["f1, tuned"] = 2 * (truth & tuned).sum(0) / np.maximum(support + tuned.sum(0), 1)
    return scores


def class_figure(scores: pd.DataFrame) -> go.Figure:
    """Precision, recall and F1 of each class as bars."""
    figure = go.Figure(
        [
            go.Bar(x=scores["class"], y=scores[name], name=name, marker_color=colour)
            for colour, name in zip(COLOURS, ("precision", "recall", "f1"), strict=False)
        ]
    )
    figure.update_xaxes(type="category", title_text="class")
    figure.update_yaxes(range=[0, 1])
    return _styled(figure, "Test: scores of each class", 360)


def truth_figure(predictions: pd.DataFrame, targets: list[str]) -> go.Figure:
    """What is predicted against what is true, one panel a target; on the line they are the same."""
    figure, place = _panels(targets)
    for name in targets:
        truth, said = predictions[f"label_{name}"], predictions[f"predicted_{name}"]
        ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
        points = {"size": 5, "color": COLOURS[0], "opacity": 0.5}
        texts = predictions["id"].astype(str)
        figure.add_trace(go.Scatter(x=truth, y=said, mode="markers", marker=points, hovertext=texts), **place[name])
        figure.add_trace(go.Scatter(x=ends, y=ends, mode="lines", line={"color": "#888", "dash": "dot"}), **place[name])
        figure.update_xaxes(title_text="true", **place[name])
        figure.update_yaxes(title_text="predicted", **place[name])
    figure.update_layout(showlegend=False)
    return _styled(figure, "Test: predicted against true", 120 + 400 * -(-len(targets) // 2))


def error_figure(predictions: pd.DataFrame, targets: list[str]) -> go.Figure:
    """Errors, predicted less true, against what is true, one panel a target."""
    figure, place = _panels(targets)
    for name in targets:
        truth, error = predictions[f"label_{name}"], predictions[f"error_{name}"]
        points = {"size": 5, "color": COLOURS[1], "opacity": 0.5}
        texts = predictions["id"].astype(str)
        figure.add_trace(go.Scatter(x=truth, y=error, mode="markers", marker=points, hovertext=texts), **place[name])
        figure.add_hline(y=0, line_color="#888", line_dash="dot", **place[name])
        figure.update_xaxes(title_text="true", **place[name])
        figure.update_yaxes(title_text="predicted less true", **place[name])
    figure.update_layout(showlegend=False)
    return _styled(figure, "Test: errors", 120 + 400 * -(-len(targets) // 2))


def target_scores(predictions: pd.DataFrame, targets: list[str]) -> pd.DataFrame:
    """R2, root of the mean squared error, mean absolute error, and mean error of each target, on the test split, and
    the mean and standard deviation of what is true."""
    rows = []
    for name in targets:
        truth, error = predictions[f"label_{name}"], predictions[f"error_{name}"]
        deviation = float(truth.std(ddof=0))
        rows.append(
            {
                "target": name,
                "r2": 1 - float((error**2).mean()) / deviation**2 if deviation else float("nan"),
                "rmse": float((error**2).mean() ** 0.5),
                "mae": float(error.abs().mean()),
                "mean error": float(error.mean()),
                "true mean": float(truth.mean()),
                "true deviation": deviation,
            }
        )
    return pd.DataFrame(rows)


def heads_figure(metrics: dict[str, dict[str, float]]) -> go.Figure:
    """The fused decision beside each modality's own head and the answer without looking, validation and test. A head
    whose modality no example of a split has is not there."""
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
                name=split,
                marker_color=colour,
                text=[f"{metrics[split][name]:.3f}" if name in metrics[split] else "" for name in names],
            )
            for colour, split in zip(COLOURS, metrics, strict=False)
        ]
    )
    figure.update_yaxes(
        range=_score_range(found[name] for found in metrics.values() for name in names if name in found)
    )
    figure.update_yaxes(title_text=headline)
    return _styled(figure, "What each modality contributes", 360)


def patterns_figure(patterns: pd.DataFrame) -> go.Figure:
    """Score of every set of modalities, the largest on top: of the test examples that have exactly these, and of all
    that have them, shown nothing else."""
    figure = go.Figure()
    for colour, symbol, column, count, name in (
        (
            COLOURS[0],
            "circle",
            "score_when_masked",
            "rows_with_more",
            "all that have these, the rest left out",
        ),
        (COLOURS[1], "diamond-open", "score", "rows", "those that have exactly these"),
    ):
        known = patterns[patterns[column].notna()]
        figure.add_trace(
            go.Scatter(
                x=known[column],
                y=known["pattern"],
                mode="markers",
                name=name,
                marker={"color": colour, "symbol": symbol, "size": 11},
                hovertext=[f"{rows} examples" for rows in known[count]],
            )
        )
    order = {"categoryorder": "array", "categoryarray": list(patterns["pattern"]), "autorange": "reversed"}
    figure.update_yaxes(type="category", automargin=True, **order)
    figure.update_xaxes(title_text=f"test {patterns['metric'].iloc[0]}")
    figure.update_layout(legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0})
    return _styled(figure, "Test: score by what is there", 200 + 24 * len(patterns))


def comparison_figure(comparison: pd.DataFrame) -> go.Figure:
    """Test scores of the contenders as bars, error bars over seeds; hatched: published, on other data."""
    source, metric = comparison["source"].iloc[0], comparison["metric"].iloc[0]
    figure = go.Figure()
    for colour, row in zip(COLOURS, comparison.itertuples(), strict=False):
        spread = [row.spread] if pd.notna(row.spread) else None
        figure.add_trace(
            go.Bar(
                x=[source],
                y=[row.score],
                error_y={"type": "data", "array": spread} if spread else None,
                name=row.contender.replace("_", " "),
                offsetgroup=row.contender,
                marker_color=colour,
                text=[f"{row.score:.3f}"],
                insidetextanchor="middle",
            )
        )
        if pd.notna(row.published):
            figure.add_trace(
                go.Bar(
                    x=["published, on other data"],
                    y=[row.published],
                    name=f"{row.contender.replace('_', ' ')}, published",
                    offsetgroup=row.contender,
                    marker={"color": colour, "pattern": {"shape": "/"}, "opacity": 0.6},
                    text=[f"{row.published:.3f}"],
                    insidetextanchor="middle",
                )
            )
    figure.update_yaxes(range=_score_range(comparison["score"]), title_text=f"test {metric}")
    figure.update_layout(barmode="group")
    return _styled(figure, "Searched architecture and baseline: test score (± standard deviation over seeds)", 460)


def contributions_figure(contributions: pd.DataFrame, summary: dict[str, Any]) -> go.Figure:
    """How each modality's contribution is spread over the rows, as boxes; beside its name how often the decision is
    another without it."""
    figure = go.Figure()
    colours = _colours(contributions["modality"])
    for name, rows in contributions.groupby("modality", sort=False):
        flipped = summary["modalities"][name].get("flipped")
        label = str(name) if flipped is None else f"{name}<br>{flipped:.0%} flip without it"
        box = {"boxpoints": "outliers", "boxmean": True, "marker_color": colours[name]}
        figure.add_trace(go.Box(y=rows["contribution"], name=label, **box))
    values = "flipped" not in next(iter(summary["modalities"].values()), {"flipped": 0})
    figure.update_yaxes(title_text="value with it, less without it" if values else "probability with it, less without")
    return _styled(figure.update_layout(showlegend=False), "What each modality contributes to the decision", 420)


def regret_figure(
    agreement: pd.DataFrame, source: str, random_regret: float, m2_mixer_regret: float | None
) -> go.Figure:
    """Mean regret of every budget against its cost, by method; error bars are standard errors over replicates."""
    figure = go.Figure()
    for colour, (method, rows) in zip(COLOURS, agreement.groupby("method", sort=False), strict=False):
        rows = rows.sort_values("cost")
        figure.add_trace(
            go.Scatter(
                x=rows["cost"],
                y=rows["regret"],
                error_y={"type": "data", "array": rows["regret_spread"] / rows["replicates"] ** 0.5},
                mode="markers",
                name=method,
                marker={"color": colour, "size": 9},
                hovertext=_budget_names(rows),
            )
        )
    figure.add_hline(y=random_regret, line_dash="dot", line_color="#888", annotation_text="a choice at random")
    if m2_mixer_regret is not None:
        figure.add_hline(y=m2_mixer_regret, line_dash="dash", line_color="#888", annotation_text="M2-Mixer, no search")
    figure.add_hline(y=0, line_color="#bbb")
    figure.update_xaxes(type="log", title_text="cost: share of the FLOPs of training every combination")
    figure.update_yaxes(title_text="regret: score lost by the choice")
    return _styled(figure, f"{source}: what a search loses, and what it costs", 460)


def tau_figure(agreement: pd.DataFrame) -> go.Figure:
    """Kendall's tau between micro-benchmark and truth, by stage, of every budget of the stage-by-stage search."""
    rows = agreement[agreement["method"] == "stage by stage"].sort_values("cost")
    figure = go.Figure(
        [
            go.Scatter(
                x=rows["cost"],
                y=rows[column],
                name=column.removeprefix("tau_").replace("_", " ") if column != "tau" else "mean of the stages",
                mode="lines+markers",
                line={"color": colour, "width": 3 if column == "tau" else 1},
                hovertext=_budget_names(rows),
            )
            for colour, column in zip(
                COLOURS, [c for c in rows if c.startswith("tau") and c != "tau_spread"], strict=False
            )
        ]
    )
    figure.update_xaxes(type="log", title_text="cost: share of the FLOPs of training every combination")
    figure.update_yaxes(title_text="Kendall's tau with full training", range=[-1.05, 1.05])
    return _styled(figure, "Does the micro-benchmark's order agree with that of full training?", 420)


def example_picture(table: MultimodalTable, captions: list[str], columns: int = 6) -> bytes:
    """Examples side by side, one row of axes a modality; PNG. Time series and embedded texts are drawn with time along
    the width and one row a variable, tabular values as bars; all with the same limits for all examples. Of other kinds,
    two-dimensional ones are drawn as pictures, three-dimensional ones as colour pictures, one-dimensional ones as
    lines. Where a modality is missing, the drawing says so."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = min(len(table), 2 * columns)
    blocks = -(-shown // columns)
    modalities = list(table.schema.modalities)
    # The 99th percentile: one outlier would leave all others without colour.
    limits = {n: float(np.quantile(np.abs(table.arrays[n][:shown]), 0.99)) or 1.0 for n in modalities}
    figure = Figure(figsize=(2.1 * min(columns, shown), blocks * (2.1 * len(modalities) + 0.3)), layout="constrained")
    axes = figure.subplots(blocks * len(modalities), min(columns, shown), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for i in range(shown):
        for m, name in enumerate(modalities):
            axis = axes[(i // columns) * len(modalities) + m, i % columns]
            array, kind = table.arrays[name][i], table.schema.modalities[name].kind
            if m == 0:
                axis.set_title(textwrap.fill(captions[i], 30), fontsize=8)
            if name in table.present and not table.present[name][i]:
                axis.text(0.5, 0.5, f"no {name}", ha="center", va="center", color="#888", transform=axis.transAxes)
                continue
            if kind in ("time_series", "text") and array.ndim == 2:
                limit = limits[name]
                axis.imshow(array.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
            elif kind == "tabular" and array.ndim == 1:
                axis.bar(range(len(array)), array)
                axis.axhline(0, color="#888", linewidth=0.5)
                axis.set_ylim(-limits[name], limits[name])
            elif array.ndim == 1:
                axis.plot(array)
            elif kind == "audio":
                axis.imshow(array, origin="lower", cmap="magma")
            elif array.ndim == 3:
                axis.imshow(np.moveaxis(array, 0, -1))
            else:
                axis.imshow(array, cmap="gray", aspect="auto")
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _budget_names(rows: pd.DataFrame) -> list[str]:
    return [
        f"{row.rows} examples, {row.epochs} epochs, learning rate {row.learning_rate:g}, {row.seeds} seeds"
        for row in rows.itertuples()
    ]


def _label_matrix(labels: pd.Series, classes: list[str]) -> np.ndarray:
    sets = [set(text.split(", ")) if text not in classes else {text} for text in labels]
    return np.array([[name in names for name in classes] for names in sets])


def _panels(stages: list[str]) -> tuple[go.Figure, dict[str, dict[str, int]]]:
    """A figure with one panel a stage, two abreast, and where each stage's panel is."""
    rows = -(-len(stages) // 2)
    figure = make_subplots(rows=rows, cols=2, subplot_titles=stages, vertical_spacing=min(0.16, 0.32 / rows))
    return figure, {stage: {"row": i // 2 + 1, "col": i % 2 + 1} for i, stage in enumerate(stages)}


def _score_range(scores: Iterable[float]) -> list[float]:
    """0 to 1; with scores below 0, which R2 has, down to the least, but not below -1: that is no better than any."""
    return [max(-1.0, min(0.0, 1.1 * min(scores))), 1.0]


def _colours(names: Iterable[str]) -> dict[str, str]:
    """One colour a name, the same wherever it appears."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(names))}


def _line(history: pd.DataFrame, column: str, name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=history["epoch"] + 1, y=history[column], name=name, line={"color": colour}, mode="lines+markers"
    )


def _styled(figure: go.Figure, title: str, height: int) -> go.Figure:
    return figure.update_layout(
        title=title, template="plotly_white", height=height, margin={"t": 80, "l": 60, "r": 20, "b": 50}
    )
