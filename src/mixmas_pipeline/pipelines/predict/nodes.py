"""Nodes of prediction: a file of rows and the chosen model in; decisions and contributions out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.predict.results import PredictionSummary
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def read_new_rows(file: Path, train: MultimodalTable) -> MultimodalTable:
    """The rows as a table with the training data's schema (nothing else is read of the training data)."""
    from mixmas_pipeline.data.rows import read_rows

    return read_rows(file, train.schema)


def predict_new_rows(
    rows: MultimodalTable, thresholds: dict[str, float] | None = None, **inputs: Any
) -> tuple[pd.DataFrame, pd.DataFrame, PredictionSummary]:
    """Predictions, contributions and their summary: see ``contributions.Predictions``.

    Args:
        thresholds: tuned for a searched single model. Others decide by their logits.
        inputs: see ``chosen.model_inputs``.
    """
    from mixmas_pipeline.pipelines.predict.contributions import predict_rows
    from mixmas_pipeline.pipelines.reference.chosen import choose
    from mixmas_pipeline.utils.devices import pick_device

    device, chosen = pick_device("auto"), choose(inputs)
    cuts = (thresholds or {}) if chosen.kind == "searched" else {}
    predictions = predict_rows(chosen.model.to(device), rows, cuts, device)
    summary = predictions.summary.model_copy(update={"model": chosen.kind})
    return predictions.predicted, predictions.contributions, summary


def draw_contributions(contributions: pd.DataFrame, summary: PredictionSummary) -> Any:
    """The distribution of each modality's contributions over the rows."""
    from mixmas_pipeline.plots.contributions import contributions_figure

    return contributions_figure(contributions, summary.flipped)
