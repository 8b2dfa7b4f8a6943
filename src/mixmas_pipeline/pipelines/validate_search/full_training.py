"""Full training of a combination, which its score in searches is compared with."""

from __future__ import annotations

import logging
from typing import NamedTuple

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric, score
from mixmas_pipeline.pipelines.validate_search.budgets import training_flops, trial_budget
from mixmas_pipeline.pipelines.validate_search.parameters import TruthParameters
from mixmas_pipeline.pipelines.validate_search.results import Combination, CombinationResult
from mixmas_pipeline.pipelines.validate_search.space import name_of
from mixmas_pipeline.training.batches import batch_rows
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.training.trial import run_trial
from mixmas_pipeline.utils.progress import CandidateScored, PartStarted, report

_log = logging.getLogger(__name__)


class _Training(NamedTuple):
    """One seed's score, its scores on both halves of the examples, and seconds (None if the loss became infinite)."""

    score: float
    halves: tuple[float, float]
    seconds: float | None


def train_fully(
    combination: Combination,
    full: MultimodalTable,
    validation: MultimodalTable,
    truth: TruthParameters,
    metric: Metric,
) -> CombinationResult:
    """Train a combination from each seed, and score its last epoch on the validation split.

    A training whose loss becomes infinite scores 0.
    """
    steps = truth.epochs * len(batch_rows(len(full), truth.batch_size, 0, 0))
    budget, name = trial_budget(truth, steps), name_of(combination.choice)
    trainings = []
    for number, seed in enumerate(truth.seeds, start=1):
        report(PartStarted("seed", number, len(truth.seeds)))
        trainings.append(_train(combination, name, full, validation, budget, seed, metric))
    _log.info("%s: %s %s", name, metric, " ".join(f"{training.score:.3f}" for training in trainings))
    seconds = [training.seconds for training in trainings if training.seconds is not None]
    return CombinationResult(
        choice=combination.choice,
        parameters=combination.parameters,
        flops=training_flops(combination, truth.epochs * len(full)),
        scores=tuple(training.score for training in trainings),
        halves=tuple(training.halves for training in trainings),
        seconds=sum(seconds) / max(1, len(seconds)),
    )


def _train(
    combination: Combination,
    name: str,
    full: MultimodalTable,
    validation: MultimodalTable,
    budget: BudgetParameters,
    seed: int,
    metric: Metric,
) -> _Training:
    label = f"{name}, seed {seed}"
    try:
        trial = run_trial(combination.architecture, full, validation, budget, budget.steps, seed, metric, label)
    except FloatingPointError as error:
        _log.warning("%s counts as 0", error)
        return _Training(0.0, (0.0, 0.0), None)
    report(CandidateScored(name, str(seed), metric, trial.score))
    labels, classes = validation.labels, len(validation.schema.classes)
    first, second = (score(metric, labels[half::2], trial.predicted[half::2], classes) for half in range(2))
    return _Training(trial.score, (first, second), trial.seconds)
