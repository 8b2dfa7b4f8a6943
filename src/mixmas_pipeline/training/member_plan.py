"""How one member of an ensemble is trained. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.parameters import Parameters


class MemberPlan(Parameters):
    """A network of an ensemble.

    Attributes:
        member: its number, from 0.
        fold: that it is not trained on, and predicts; None: it is trained on the training split, and predicts the
            validation split.
        architecture: with the statistics of the rows that it is trained on.
        training: settings, with a seed of its own.
    """

    member: int = Field(ge=0)
    fold: int | None
    architecture: Architecture
    training: TrainingParameters
