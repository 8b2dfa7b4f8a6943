"""Full trainings that a killed run resumes, with the result of an uninterrupted one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytorch_lightning
import torch

from mixmas_pipeline.data.table import MultimodalTable, chunks
from mixmas_pipeline.evaluation.presence import restrict
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.storage.paths import as_path
from mixmas_pipeline.storage.retention import mark_finished
from mixmas_pipeline.training import distributed
from mixmas_pipeline.training.identity import training_code
from mixmas_pipeline.training.parameters import TrainingParameters

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath


class ResumableTrainings:
    """The trainings of one node. Each keeps its checkpoints in a sub-folder of its own until the run has ended: a node
    that is killed between two trainings does not repeat the finished ones.

    Args:
        folder: path or URL of the folder for checkpoints; all trainings of a data root share it.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder: AnyPath = as_path(folder)
        self._used: list[AnyPath] = []

    def fit(
        self,
        architecture: Architecture,
        train: MultimodalTable,
        validation: MultimodalTable,
        training: TrainingParameters,
    ) -> tuple[MultimodalMixer, pd.DataFrame]:
        """Train as ``distributed.train`` does. Rows that have none of the architecture's modalities are left out.

        Returns:
            The best epoch's model; the history, one row per epoch.
        """
        train, validation = (restrict(table, architecture.inputs) for table in (train, validation))
        training = training.for_rows(len(train))
        checkpoints = self._folder / _identity(architecture, train, validation, training)
        self._used.append(checkpoints)
        return distributed.train(architecture, train, validation, training, checkpoints)

    def finish(self) -> None:
        """Mark the checkpoints as used. They stay until the run has saved the node's results and has ended."""
        for checkpoints in self._used:
            mark_finished(checkpoints)


def _identity(
    architecture: Architecture, train: MultimodalTable, validation: MultimodalTable, training: TrainingParameters
) -> str:
    """A name for a training: a hash of code, settings and data. Only checkpoints of this name may be resumed from."""
    digest = hashlib.blake2b(digest_size=12)
    document = architecture.model_dump(mode="json")
    settings: list[Any] = [document, training.model_dump(mode="json")]
    settings += [torch.__version__, pytorch_lightning.__version__, training_code(document)]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for table in (train, validation):
        for array in (table.labels, *table.arrays.values(), *table.present.values(), *table.variants.values()):
            for rows in chunks(array):
                digest.update(np.ascontiguousarray(array[rows]).data)
    return digest.hexdigest()
