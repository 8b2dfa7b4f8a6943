"""The node of full training: architecture and tables in; model, history and held-out predictions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np, pd = lazy("numpy"), lazy("pandas")


def train_model(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, dict[str, np.ndarray]]:
    """Train the architecture: as an ensemble, or as a single model (``training.deploy``).

    Inputs are standardised with the statistics of the rows that a model is trained on, not the search sample's.

    Args:
        checkpoints: path or URL of the folder that a killed run resumes from.

    Returns:
        The model; the history, one row per member and epoch; the predictions of rows by members that did not see them,
        see ``ensembling.HeldOut``.
    """
    from mixmas_pipeline.training.ensembling import train_ensemble, train_single
    from mixmas_pipeline.training.resumable import ResumableTrainings

    for table in (train, validation):
        table.check()
    trainings = ResumableTrainings(checkpoints)
    make = train_ensemble if training.deploy == "ensemble" else train_single
    model, history, held_out = make(architecture, train, validation, training, trainings)
    trainings.finish()
    return model, history, held_out.to_arrays()
