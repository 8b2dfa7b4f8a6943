"""The node of full training: architecture and tables in; model and history out. ``evaluation`` scores them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.training.fitting import Scratch, with_statistics
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import PartStarted, report

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def train_model(
    architecture: dict[str, Any],
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    scratch: Path,
) -> tuple[Any, pd.DataFrame]:
    """Train the architecture on the whole training split; early stopping watches the validation split.

    Inputs are standardised with the training split's statistics, not the search sample's.

    Returns:
        The best epoch's model; the history, one row an epoch.
    """
    for table in (train, validation):
        table.check()
    report(PartStarted("training", 1, 1))
    work = Scratch(scratch)
    model, history = work.fit(with_statistics(architecture, train), train, validation, training)
    work.sweep()
    return model, history
