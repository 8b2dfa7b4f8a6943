"""Runs the nodes of full training one by one, with their data sets in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.training import create_pipeline
from mixmas_pipeline.storage.retention import checkpoint_folder
from mixmas_pipeline.training.ensembling import HeldOut
from mixmas_pipeline.training.parameters import TrainingParameters


class Results(dict[str, Any]):
    """What the nodes leave, by name without the data set: "model", "training.member_1.history"."""

    @property
    def held_out(self) -> HeldOut:
        """Of the whole model."""
        return HeldOut.from_arrays(self["held_out"])

    def members(self, kind: str) -> list[Any]:
        """What each network left of a kind, such as "model"."""
        count = sum(name.endswith(".plan") for name in self)
        return [self[f"training.member_{number}.{kind}"] for number in range(1, count + 1)]


def train_fully(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    folder: Path,
) -> Results:
    """Runs the pipeline up to the model; checkpoints are in the folder."""
    values = {
        **{"toy.architecture": architecture, "toy.train": train, "toy.validation": validation},
        **{"params:toy.training": training, "params:checkpoints": str(checkpoint_folder(folder))},
        **{f"params:toy.training.{name}": getattr(training, name) for name in ("seed", "balance")},
    }
    for node in create_pipeline("toy", training).to_outputs("toy.model").nodes:
        values |= node.run({name: values[name] for name in node.inputs})
    return Results({name.removeprefix("toy."): value for name, value in values.items()})
