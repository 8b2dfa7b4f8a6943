"""The node of full training: architecture and tables in; model and history out. ``evaluation`` scores them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import PartStarted, report

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.models.multimodal import MultimodalMixer
else:
    pd = lazy("pandas")
    MultimodalMixer = Any


def train_model(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    checkpoints: str,
) -> tuple[MultimodalMixer, pd.DataFrame]:
    """Train the architecture on the whole training split; early stopping watches the validation split.

    Inputs are standardised with the training split's statistics, not the search sample's.

    Args:
        checkpoints: path or URL of the folder that a killed run resumes from.

    Returns:
        The best epoch's model; the history, one row per epoch.
    """
    from mixmas_pipeline.training.resumable import ResumableTrainings
    from mixmas_pipeline.training.statistics import with_statistics

    for table in (train, validation):
        table.check()
    report(PartStarted("training", 1, 1))
    trainings = ResumableTrainings(checkpoints)
    model, history = trainings.fit(with_statistics(architecture, train), train, validation, training)
    trainings.finish()
    return model, history
