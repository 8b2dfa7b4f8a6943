"""What the validation's nodes hand on: frozen models, which the catalog keeps as JSON documents.

Each *combination* of candidates is trained fully. Each *search budget* is spent on searches of the same space, repeated
as *replicates* with other samples and seeds.
"""

from __future__ import annotations

from pydantic import RootModel

from mixmas_pipeline.models.architecture import FusionFunction
from mixmas_pipeline.pipelines.search.parameters import EncoderStage, FusionNetworkStage, MatchParameters
from mixmas_pipeline.pipelines.search.results import Proposal
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.utils.parameters import Parameters

STAGE_BY_STAGE, JOINT = "stage by stage", "joint (TPE)"


class SubSpace(Parameters):
    """The candidates that take part: ``SearchParameters`` without samples, budget and selection.

    Attributes:
        match: how candidates are given the same number of parameters.
        encoders: modality -> its candidates.
        fusion_functions: candidates.
        fusion_network: its candidates.
    """

    match: MatchParameters
    encoders: dict[str, EncoderStage]
    fusion_functions: tuple[FusionFunction, ...]
    fusion_network: FusionNetworkStage


class Combination(Proposal):
    """A complete architecture: one candidate per stage.

    Attributes:
        choice: stage -> candidate.
    """

    choice: dict[str, str]


class CombinationResult(Parameters):
    """A combination after full training from each seed.

    Attributes:
        choice: stage -> candidate.
        parameters: trainable parameters.
        flops: of one training.
        scores: on the validation split, one per seed; 0 if the loss became infinite.
        halves: per seed the scores on every other validation example and on the rest.
        seconds: of one training, mean over the seeds.
    """

    choice: dict[str, str]
    parameters: int
    flops: float
    scores: tuple[float, ...]
    halves: tuple[tuple[float, float], ...]
    seconds: float


class SearchBudget(Parameters):
    """What one replicate of a search may spend.

    Attributes:
        rows: training examples of the sample.
        holdout: examples to score on.
        epochs: passes over the sample.
        seeds: numbers of trials per candidate, ascending; each gives a search.
        replicate: seed of the samples and, with the trial's number, of the trials.
        joint: version of the joint search's sampler; None without the joint search.
        budget: of a trial.
    """

    rows: int
    holdout: int
    epochs: int
    seeds: tuple[int, ...]
    replicate: int
    joint: str | None
    budget: BudgetParameters


class SearchOutcome(Parameters):
    """What one search chose, and what it cost.

    Attributes:
        method: "stage by stage" or "joint (TPE)".
        rows, epochs, replicate, learning_rate: of its budget.
        reference: fusion network of the fusion-function stage.
        seeds: trials per candidate; of the joint search, those of the stage-by-stage search at the same cost.
        choice: stage -> candidate.
        scores: stage -> candidate -> mean score of its trials; empty for the joint search.
        flops, seconds: of all its trainings.
    """

    method: str
    rows: int
    epochs: int
    replicate: int
    learning_rate: float
    reference: str
    seeds: int
    choice: dict[str, str]
    scores: dict[str, dict[str, float]]
    flops: float
    seconds: float


class SearchOutcomes(RootModel[tuple[SearchOutcome, ...]]):
    """All searches with one budget and replicate."""


class RecommendedBudget(Parameters):
    """The cheapest stage-by-stage budget that is as good as the best one.

    Attributes:
        rows, epochs, seeds, learning_rate: of the budget.
        regret, top1, cost, seconds: its means over the replicates, see ``agreement_table``.
        margin: ``search.sample.margin`` that gives this many rows.
        steps: ``search.budget.steps`` that gives this many epochs.
    """

    rows: int
    epochs: int
    seeds: int
    learning_rate: float
    regret: float
    top1: float
    cost: float
    seconds: float
    margin: float
    steps: int


class AgreementSummary(Parameters):
    """The space's size and spread, and the recommended budget.

    Attributes:
        source: of the data.
        rows, epochs: of each full training.
        scored_on: validation examples.
        combinations: their number.
        best: name of the combination with the best mean score.
        best_score, median_score, worst_score: of the combinations' mean scores.
        noise: standard deviation of a combination's score over seeds, root mean square over combinations.
        random_regret: mean regret of a random combination.
        m2_mixer_regret: regret of MLP-Mixer in each stage with concatenation; None if it is not in the sub-space.
        exhaustive_flops, exhaustive_seconds: of training each combination once.
        recommended: the recommended budget.
    """

    source: str
    rows: int
    epochs: int
    scored_on: int
    combinations: int
    best: str
    best_score: float
    median_score: float
    worst_score: float
    noise: float
    random_regret: float
    m2_mixer_regret: float | None
    exhaustive_flops: float
    exhaustive_seconds: float
    recommended: RecommendedBudget
