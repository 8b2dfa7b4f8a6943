"""What the search's nodes hand on: frozen models, which the catalog keeps as JSON documents.

A candidate's ``Proposal`` becomes a ``CandidateResult``; a stage's results become a ``StageDecision`` and a ``Choice``.
"""

from __future__ import annotations

from pydantic import Field, StrictInt

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.utils.parameters import Parameters

# The stages after the encoders'; an encoder's stage has the name of its modality.
FUSION_FUNCTION, FUSION_NETWORK = "fusion_function", "fusion_network"
# Per row a class index, 0 or 1 per class (multilabel), or a number per target (regression). Strict integers leave 2.0 a
# float.
Labels = tuple[StrictInt, ...] | tuple[tuple[StrictInt, ...], ...] | tuple[tuple[float, ...], ...]


class SettingsReport(Parameters):
    """Settings that were checked against the task and the training rows. Keys are paths of parameters.

    Attributes:
        task: of the table.
        metrics: path -> metric.
        balances: path -> how classes are balanced.
        modality_dropouts: path -> probability.
    """

    task: str
    metrics: dict[str, str]
    balances: dict[str, str]
    modality_dropouts: dict[str, float]


class SampleReport(Parameters):
    """One of the search's two samples.

    Attributes:
        rows: its size.
        worst_imbalance: largest difference of a stratum's proportion between the sample and the split.
        worst_class: the stratum with that difference.
        classes: stratum -> rows. Strata are classes; of a regression ranges of the targets.
    """

    rows: int
    worst_imbalance: float
    worst_class: str
    classes: dict[str, int]


class SamplingReport(Parameters):
    """The rows that the search sees.

    Attributes:
        source: of the table.
        population: rows of the training split.
        classes: stratum -> rows of the training split.
        sample: candidates are trained on it.
        holdout: candidates are scored on it.
        positive: the class that f1 is about; "" but for a binary task.
    """

    source: str
    population: int
    classes: dict[str, int]
    sample: SampleReport
    holdout: SampleReport
    positive: str = ""


class Proposal(Parameters):
    """A candidate's architecture and its cost.

    Attributes:
        stage: a modality, "fusion_function" or "fusion_network".
        modality: the one that the candidate encodes; empty in the fusion stages.
        candidate: its name.
        parameters: trainable parameters of the architecture.
        flops: of one example's forward pass.
        architecture: the whole model that is trained.
    """

    stage: str
    modality: str
    candidate: str
    parameters: int
    flops: int
    architecture: Architecture


class TrialResult(Parameters):
    """A candidate trained from one seed.

    Attributes:
        seed: of the initialisation and the batch order.
        steps: optimiser steps.
        score: on the held-out sample.
        predicted: labels of the held-out rows.
        losses: (step, mean training loss since the previous point).
        seconds: of training and scoring.
    """

    seed: int
    steps: int
    score: float
    predicted: Labels
    losses: tuple[tuple[int, float], ...]
    seconds: float


class CandidateResult(Proposal):
    """A proposal with its trials.

    Attributes:
        trials: one per seed, all with the same number of steps.
        earlier_seconds: of the trials with the regular budget, which an extension replaces. Default 0.
    """

    trials: tuple[TrialResult, ...] = Field(min_length=1)
    earlier_seconds: float = 0.0

    @property
    def scores(self) -> list[float]:
        """The score of each trial."""
        return [trial.score for trial in self.trials]

    @property
    def seconds(self) -> float:
        """Of all trials, those before an extension among them."""
        return sum(trial.seconds for trial in self.trials) + self.earlier_seconds


class StageDecision(Parameters):
    """How a stage continues after the first trials.

    Attributes:
        extend: train all candidates again, with the extended budget.
        at_chance: candidates that are not clearly above chance.
        dropped: eliminated candidate -> reason.
        finish: candidates that are trained with the remaining seeds.
    """

    extend: bool
    at_chance: tuple[str, ...]
    dropped: dict[str, str]
    finish: tuple[str, ...]


class Choice(Parameters):
    """A stage's winner.

    Attributes:
        stage: a modality, "fusion_function" or "fusion_network".
        candidate: the winner.
        reason: one or more sentences.
        tied: candidates within noise of the best score, the winner among them.
        extended: whether the stage had the extended budget.
        architecture: the winner's.
    """

    stage: str
    candidate: str
    reason: str
    tied: tuple[str, ...]
    extended: bool
    architecture: Architecture
