"""A full training that a killed run goes on with, and ends as if it had not been interrupted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable, chunks
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.storage.paths import folders, remove
from mixmas_pipeline.training.identity import training_code
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.models.multimodal import MultimodalMixer
else:
    pd = lazy("pandas")


class Scratch:
    """A folder of checkpoints, one sub-folder a training.

    Trainings of a node keep theirs until ``sweep``: a node that trains several and is killed does not do those again
    that were finished.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()

    def fit(
        self,
        architecture: Architecture,
        train: MultimodalTable,
        validation: MultimodalTable,
        training: TrainingParameters,
    ) -> tuple[MultimodalMixer, pd.DataFrame]:
        """The best epoch's model and the history of every epoch, as ``learning.processes.train`` gives them. Rows that
        have none of the architecture's modalities take no part."""
        from mixmas_pipeline.evaluation.presence import known
        from mixmas_pipeline.training.processes import train as fit

        train, validation = (known(table, architecture.inputs) for table in (train, validation))
        name = _identity(architecture, train, validation, training)
        self._used.add(name)
        return fit(architecture, train, validation, training, self._folder / name)

    def sweep(self) -> None:
        """Remove what other trainings have left. What was used now stays: its results may not be saved yet."""
        for stale in folders(self._folder):
            if stale.name not in self._used:
                remove(stale)


def with_statistics(architecture: dict[str, Any], train: MultimodalTable) -> Architecture:
    """The architecture, its inputs (and a regression's targets) standardised with the training split's statistics."""
    from mixmas_pipeline.training.statistics import input_statistics, target_statistics

    chosen = Architecture.model_validate(architecture)
    inputs = {name: input_statistics(train, name) for name in chosen.inputs}
    return chosen.model_copy(update={"inputs": inputs, "targets": target_statistics(train)})


def _identity(
    architecture: Architecture, train: MultimodalTable, validation: MultimodalTable, training: TrainingParameters
) -> str:
    """Names the one training, by code, settings and data, whose checkpoints may be gone on from."""
    import pytorch_lightning
    import torch

    digest = hashlib.blake2b(digest_size=12)
    document = architecture.model_dump(mode="json")
    settings: list[Any] = [document, training.model_dump(mode="json")]
    settings += [torch.__version__, pytorch_lightning.__version__, training_code(document)]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for table in (train, validation):
        for array in (table.labels, *table.arrays.values(), *table.present.values()):
            for rows in chunks(array):
                digest.update(np.ascontiguousarray(array[rows]).data)
    return digest.hexdigest()
