"""What the comparison's nodes hand on: frozen models, which the catalog keeps as JSON documents."""

from __future__ import annotations

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.utils.parameters import Parameters

BASELINE, SEARCHED = "baseline", "searched"


def alone(modality: str) -> str:
    """Name of the contender that sees one modality only."""
    return f"{modality}_alone"


class Contender(Parameters):
    """An architecture that is compared, and its cost.

    Attributes:
        contender: its name.
        parameters: trainable parameters.
        flops: of one example's forward pass.
        architecture: with the training split's statistics.
    """

    contender: str
    parameters: int
    flops: int
    architecture: Architecture


class TuningTrial(Parameters):
    """A training with one learning rate.

    Attributes:
        learning_rate: at its peak.
        score: best on the validation split; None if the loss became infinite.
        epochs: trained.
        seconds: of all epochs.
    """

    learning_rate: float
    score: float | None
    epochs: int
    seconds: float


class TuningResult(Parameters):
    """The learning rate of a contender.

    Attributes:
        contender: its name.
        learning_rate: with the best validation score; of equal scores the smallest.
        at_edge: whether it is the smallest or largest of three or more rates.
        trials: one per rate, ascending.
    """

    contender: str
    learning_rate: float
    at_edge: bool
    trials: tuple[TuningTrial, ...]
