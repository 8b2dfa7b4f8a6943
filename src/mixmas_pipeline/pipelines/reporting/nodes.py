"""Nodes of the report: artefacts in; figures, tables and one page out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.reference.results import Verdict
from mixmas_pipeline.pipelines.search.parameters import SelectionParameters
from mixmas_pipeline.pipelines.search.results import SamplingReport, SettingsReport
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def draw_examples(train: MultimodalTable) -> bytes:
    """Two training examples of each of the first six classes, as the models receive them. No example is shown twice,
    even if it has two of the classes. For a regression: twelve examples from the smallest to the largest value of the
    first target."""
    from mixmas_pipeline.evaluation.strata import label_strata
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.plots.examples import example_picture

    task, labels = task_of(train.schema.task), train.labels
    if task.name == "regression":
        order = labels[:, 0].argsort(kind="stable")
        rows = order[np.linspace(0, len(order) - 1, min(12, len(order))).round().astype(int)]
        return example_picture(*_titled(train.take(rows), task.label_texts(labels[rows], train.schema.classes)))
    left = label_strata(task.name, labels, train.schema.classes)[0].copy()
    rows, names = [], []
    for c in [*range(min(6, left.shape[1]))] * 2:
        if left[:, c].any():
            rows.append(int(left[:, c].argmax()))
            names.append(train.schema.classes[c])
            left[rows[-1]] = False
    return example_picture(*_titled(train.take(np.array(rows)), names))


def _titled(shown: MultimodalTable, captions: list[str]) -> tuple[MultimodalTable, list[str]]:
    """The captions, with the examples' titles if they have titles."""
    titles = shown.extra.get("title")
    return shown, captions if titles is None else [f"{c}: {t}" for c, t in zip(captions, titles, strict=True)]


def draw_architecture(architecture: Architecture) -> bytes:
    """The architecture as a drawing, with widths and cost; PNG."""
    from mixmas_pipeline.plots.architecture import draw_architecture as draw

    return draw(architecture)


def draw_search(leaderboard: pd.DataFrame, losses: pd.DataFrame, selection: SelectionParameters) -> tuple[Any, Any]:
    """The leaderboard figure, and the candidates' learning curves."""
    from mixmas_pipeline.plots.search import candidate_curves, leaderboard_figure

    return leaderboard_figure(leaderboard, selection.metric), candidate_curves(losses)


def draw_model(
    history: pd.DataFrame,
    metrics: dict[str, dict[str, float]],
    predictions: pd.DataFrame,
    thresholds: dict[str, float],
    architecture: Architecture,
) -> tuple[Any, Any, Any, Any, pd.DataFrame, Any]:
    """Figures of the trained model, and its scores per class.

    Returns:
        Figures of the learning curves, the heads, the confusion matrix and the calibration; the scores per class as a
        table and as bars. For a regression predictions against targets, and the distribution of the errors, instead of
        confusion and calibration; the scores per target, and the errors.
    """
    from mixmas_pipeline.evaluation.class_scores import class_scores, target_scores
    from mixmas_pipeline.plots import training as figures
    from mixmas_pipeline.plots.calibration import calibration_figure, error_histogram

    classes = list(architecture.classes)
    curves, heads = figures.history_figure(history), figures.heads_figure(metrics)
    if architecture.task == "regression":
        scores = target_scores(predictions, classes)
        return (
            curves,
            heads,
            figures.truth_figure(predictions, classes),
            error_histogram(predictions, classes),
            scores,
            figures.error_figure(predictions, classes),
        )
    scores = class_scores(predictions, classes, thresholds)
    confusion = figures.confusion_figure(predictions, classes, architecture.task)
    calibration = calibration_figure(predictions, classes, architecture.task)
    return curves, heads, confusion, calibration, scores, figures.class_figure(scores)


def draw_mistakes(mistakes: MultimodalTable) -> bytes:
    """The test examples with the most confident mistakes, or with the largest errors."""
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.plots.examples import example_picture

    task = task_of(mistakes.schema.task)
    truth = task.label_texts(mistakes.labels, mistakes.schema.classes)
    rows = zip(truth, mistakes.extra["predicted"], mistakes.extra[task.error_size], strict=True)
    if mistakes.schema.task == "regression":
        return example_picture(mistakes, [f"{t}, predicted {p} ({c:.1f} deviations off)" for t, p, c in rows])
    return example_picture(
        mistakes, [f"{t}, taken for {p} ({c:.0%})" if t != p else f"no mistake: {t}" for t, p, c in rows]
    )


def draw_patterns(patterns: pd.DataFrame) -> Any:
    """The scores per set of present modalities."""
    from mixmas_pipeline.plots.training import patterns_figure

    return patterns_figure(patterns)


def draw_references(references: pd.DataFrame, verdict: Verdict) -> Any:
    """The test scores of the references and of the network, with their intervals."""
    from mixmas_pipeline.plots.references import references_figure

    networks = [f for f in (verdict.recommended, verdict.other) if f.model == "network"]
    return references_figure(references, networks[0])


def write_report(
    settings: SettingsReport,
    sampling: SamplingReport,
    architecture: Architecture,
    leaderboard: pd.DataFrame,
    metrics: dict[str, dict[str, float]],
    class_scores: pd.DataFrame,
    patterns: pd.DataFrame,
    examples: bytes,
    mistakes: bytes,
    architecture_drawing: bytes,
    train: MultimodalTable,
    verdict: Verdict | None = None,
    references: pd.DataFrame | None = None,
    **figures: Any,
) -> str:
    """Everything on one HTML page that needs no other file and no network.

    Args:
        verdict, references: of the reference models. Default: the run fits none.
    """
    from mixmas_pipeline.pipelines.reporting.page import render

    return render(
        title=train.schema.source or "MixMAS",
        settings=settings,
        sampling=sampling,
        architecture=architecture,
        leaderboard=leaderboard,
        metrics=metrics,
        class_scores=class_scores,
        patterns=patterns,
        verdict=verdict,
        references=references,
        pictures={"examples": examples, "mistakes": mistakes, "architecture": architecture_drawing},
        figures=figures,
    )
