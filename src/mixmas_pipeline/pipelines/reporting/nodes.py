"""Nodes of the report: artefacts in; figures, tables and one page out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.lazy import lazy
from mixmas_pipeline.learning.parameters import SelectionParameters

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def draw_examples(train: MultimodalTable) -> bytes:
    """Two training examples of each of the first six classes, as they are given to the models; none twice, though it
    may have several of them."""
    from mixmas_pipeline.pipelines.reporting.figures import example_picture

    left = train.label_matrix().copy()
    rows, names = [], []
    for c in [*range(min(6, left.shape[1]))] * 2:
        if left[:, c].any():
            rows.append(int(left[:, c].argmax()))
            names.append(train.schema.classes[c])
            left[rows[-1]] = False
    shown = train.take(np.array(rows))
    titles = shown.extra.get("title")
    return example_picture(
        shown, names if titles is None else [f"{n}: {t}" for n, t in zip(names, titles, strict=True)]
    )


def draw_architecture(architecture: dict[str, Any]) -> bytes:
    """The architecture as a drawing, with widths and cost; PNG."""
    from mixmas_pipeline.mixers.architecture import Architecture
    from mixmas_pipeline.mixers.drawing import draw_architecture

    return draw_architecture(Architecture.model_validate(architecture))


def draw_search(leaderboard: pd.DataFrame, losses: pd.DataFrame, selection: SelectionParameters) -> tuple[Any, Any]:
    """Returns:
    The leaderboard figure; the candidates' learning curves.
    """
    from mixmas_pipeline.pipelines.reporting.figures import candidate_curves, leaderboard_figure

    return leaderboard_figure(leaderboard, selection.metric), candidate_curves(losses)


def draw_model(
    history: pd.DataFrame,
    metrics: dict[str, dict[str, float]],
    predictions: pd.DataFrame,
    thresholds: dict[str, float],
    architecture: dict[str, Any],
) -> tuple[Any, Any, Any, pd.DataFrame, Any]:
    """Returns:
    Learning curves, heads, confusion; scores of each class as a table and as bars.
    """
    from mixmas_pipeline.pipelines.reporting import figures

    classes = list(architecture["classes"])
    scores = figures.class_scores(predictions, classes, thresholds)
    return (
        figures.history_figure(history),
        figures.heads_figure(metrics),
        figures.confusion_figure(predictions, classes, architecture["task"]),
        scores,
        figures.class_figure(scores),
    )


def draw_mistakes(mistakes: MultimodalTable) -> bytes:
    """The test examples that the model got wrong with the greatest confidence."""
    from mixmas_pipeline.pipelines.reporting.figures import example_picture

    names = np.array(mistakes.schema.classes)
    truth = [", ".join(names[row]) for row in mistakes.label_matrix()]
    said = zip(truth, mistakes.extra["predicted"], mistakes.extra["confidence"], strict=True)
    return example_picture(
        mistakes, [f"{t}, taken for {p} ({c:.0%})" if t != p else f"no mistake: {t}" for t, p, c in said]
    )


def write_report(
    sampling: dict[str, Any],
    architecture: dict[str, Any],
    leaderboard: pd.DataFrame,
    metrics: dict[str, dict[str, float]],
    class_scores: pd.DataFrame,
    examples: bytes,
    mistakes: bytes,
    architecture_drawing: bytes,
    train: MultimodalTable,
    **figures: Any,
) -> str:
    """Everything on one HTML page that needs no other file and no network."""
    from mixmas_pipeline.pipelines.reporting.page import render

    return render(
        title=train.schema.source or "MixMAS",
        sampling=sampling,
        architecture=architecture,
        leaderboard=leaderboard,
        metrics=metrics,
        class_scores=class_scores,
        pictures={"examples": examples, "mistakes": mistakes, "architecture": architecture_drawing},
        figures=figures,
    )
