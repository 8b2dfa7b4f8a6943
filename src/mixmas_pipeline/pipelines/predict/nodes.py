"""Nodes of prediction: a file of rows and the trained model in; decisions and contributions out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def read_new_rows(file: Path, train: MultimodalTable) -> MultimodalTable:
    """The rows as a table of the training data's schema (of which nothing else is read)."""
    from mixmas_pipeline.datasets.rows import read_rows

    return read_rows(file, train.schema)


def predict_new_rows(
    rows: MultimodalTable, model: Any, thresholds: dict[str, float]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Returns:
    what ``learning.predicting.predict_rows`` finds.
    """
    from mixmas_pipeline.pipelines.predict.contributions import predict_rows
    from mixmas_pipeline.training.trial import pick_device

    device = pick_device("auto")
    found = predict_rows(model.to(device), rows, thresholds, device)
    return found.predicted, found.contributions, found.summary


def draw_contributions(contributions: pd.DataFrame, summary: dict[str, Any]) -> Any:
    """How each modality's contribution is spread over the rows."""
    from mixmas_pipeline.plots.contributions import contributions_figure

    return contributions_figure(contributions, summary)
