"""Two searches of the same space at the same cost: stage by stage, as MixMAS does, and jointly, with Optuna."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixmas_pipeline.data.sampling import stratified_split
from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.evaluation.presence import restrict
from mixmas_pipeline.evaluation.strata import strata_of
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.search.parameters import SelectionParameters
from mixmas_pipeline.pipelines.search.results import CandidateResult, Proposal, TrialResult
from mixmas_pipeline.pipelines.search.selection import rank
from mixmas_pipeline.pipelines.search.trials import plain_labels
from mixmas_pipeline.pipelines.validate_search.budgets import training_flops
from mixmas_pipeline.pipelines.validate_search.proposals import Builder
from mixmas_pipeline.pipelines.validate_search.results import (
    JOINT,
    STAGE_BY_STAGE,
    SearchBudget,
    SearchOutcome,
    SubSpace,
)
from mixmas_pipeline.pipelines.validate_search.space import Space, name_of, stages
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.training.trial import run_trial

_STARTUP = 4  # random trials; Optuna's default of 10 would use up the smallest budgets
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """What a search chose and spent.

    Attributes:
        choice: stage -> candidate.
        scores: stage -> candidate -> mean score of its trials; empty for the joint search.
        flops, seconds: of its trainings.
    """

    choice: dict[str, str]
    scores: dict[str, dict[str, float]]
    flops: float
    seconds: float


class Trials:
    """Trials of candidates, each run when it is first requested.

    Args:
        sample, holdout: to train on, to score on.
        epochs: passes over the sample that the budget's steps make.
        budget: of a trial.
        metric: the score.
        seed: of the first trial of a candidate; the next trials have the following seeds.
    """

    def __init__(
        self,
        sample: MultimodalTable,
        holdout: MultimodalTable,
        epochs: int,
        budget: BudgetParameters,
        metric: Metric,
        seed: int,
    ) -> None:
        self._sample, self._holdout, self._epochs = sample, holdout, epochs
        self._budget, self._metric, self._seed = budget, metric, seed
        self._results: dict[tuple[str, int], TrialResult] = {}

    def labels(self, architecture: Architecture) -> np.ndarray:
        """Labels of the rows that an architecture is scored on: those that have one of its modalities."""
        return restrict(self._holdout, architecture.inputs).labels

    def flops(self, proposal: Proposal) -> float:
        """Of one trial's training."""
        return training_flops(proposal, self._epochs * len(self._sample))

    def get(self, proposal: Proposal, number: int) -> TrialResult:
        """A candidate's trial with this number, from 0. A trial whose loss becomes infinite scores 0 and predicts as
        the dummy baseline."""
        key = (proposal.architecture.model_dump_json(), number)
        if key not in self._results:
            self._results[key] = self._run(proposal, number)
        return self._results[key]

    def _run(self, proposal: Proposal, number: int) -> TrialResult:
        architecture, steps, seed = proposal.architecture, self._budget.steps, self._seed + number
        label = f"{proposal.stage} {proposal.candidate}, trial {number + 1}"
        try:
            trial = run_trial(architecture, self._sample, self._holdout, self._budget, steps, seed, self._metric, label)
            score, predicted, losses, seconds = trial.score, trial.predicted, tuple(trial.losses), trial.seconds
        except FloatingPointError as error:
            _log.warning("%s counts as 0", error)
            dummy = task_of(architecture.task).dummy_prediction(self._sample)
            predicted = np.broadcast_to(dummy, self.labels(architecture).shape)
            score, losses, seconds = 0.0, (), 0.0
        plain = plain_labels(predicted, architecture.task)
        return TrialResult(seed=seed, steps=steps, score=score, predicted=plain, losses=losses, seconds=seconds)


def search_with_budget(
    budget: SearchBudget, train: MultimodalTable, space: SubSpace, selection: SelectionParameters
) -> list[SearchOutcome]:
    """Search the space stage by stage, and jointly at the same cost, with one budget and replicate.

    Returns:
        One outcome per method and number of seeds.
    """
    strata, _ = strata_of(train)
    splits = stratified_split(strata, [budget.rows, budget.holdout], budget.replicate)
    sample, holdout = (train.take(rows) for rows in splits)
    builder = Builder(sample, space)
    # Seeds of different replicates must differ; no candidate has a thousand trials.
    first_seed = 1000 * (budget.replicate + 1)
    trials = Trials(sample, holdout, budget.epochs, budget.budget, selection.metric, first_seed)
    searches = {STAGE_BY_STAGE: [stage_by_stage(space, builder, trials, seeds, selection) for seeds in budget.seeds]}
    if budget.joint:
        flops = [search.flops for search in searches[STAGE_BY_STAGE]]
        searches[JOINT] = jointly(space, builder, trials, flops, budget.replicate)
    return [
        SearchOutcome(
            method=method,
            rows=budget.rows,
            epochs=budget.epochs,
            replicate=budget.replicate,
            learning_rate=budget.budget.learning_rate,
            reference=space.fusion_network.reference,
            seeds=seeds,
            **vars(search),
        )
        for method, by_seeds in searches.items()
        for seeds, search in zip(budget.seeds, by_seeds, strict=True)
    ]


def stage_by_stage(
    space: Space, builder: Builder, trials: Trials, seeds: int, selection: SelectionParameters
) -> Search:
    """Choose stage after stage, by the rule of the search, with ``seeds`` trials per candidate.

    A stage with a candidate at chance is not extended: the budget is what is tried.
    """
    choice: dict[str, str] = {}
    scores: dict[str, dict[str, float]] = {}
    flops = seconds = 0.0
    for stage in stages(space):
        results = []
        for proposal in builder.stage(stage, choice).values():
            done = tuple(trials.get(proposal, number) for number in range(seeds))
            results.append(CandidateResult(**dict(proposal), trials=done))
            flops += seeds * trials.flops(proposal)
            seconds += sum(trial.seconds for trial in done)
        scores[stage] = {result.candidate: float(np.mean(result.scores)) for result in results}
        choice[stage] = rank(results, trials.labels(results[0].architecture), selection).winner
    return Search(choice, scores, flops, seconds)


def jointly(space: Space, builder: Builder, trials: Trials, budgets: Sequence[float], seed: int) -> list[Search]:
    """Optuna's multivariate TPE sampler (Bergstra et al. 2011) over complete combinations, one trial at a time.

    A combination that is sampled again is trained from another seed. The combination with the best mean score wins.

    Args:
        space, builder, trials: the candidates, their architectures, their trials.
        budgets: FLOPs, ascending. One search is made; its best combination after each budget is returned. The last
            trial may exceed a budget, so the joint search never has less.
        seed: of the sampler.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
    """
    optuna = import_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=_STARTUP)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    by_stage, searches = stages(space), []
    flops = seconds = 0.0
    scores: dict[str, list[float]] = {}
    choices: dict[str, dict[str, str]] = {}
    for budget in budgets:
        while not scores or flops < budget:
            asked = study.ask()
            choice = {stage: asked.suggest_categorical(stage, names) for stage, names in by_stage.items()}
            name, proposal = name_of(choice), builder.complete(choice)
            earlier = scores.setdefault(name, [])
            trial = trials.get(proposal, len(earlier))
            study.tell(asked, trial.score)
            earlier.append(trial.score)
            choices[name] = choice
            flops, seconds = flops + trials.flops(proposal), seconds + trial.seconds
        searches.append(Search(choices[_best(scores)], {}, flops, seconds))
    return searches


def import_optuna() -> Any:
    """The module.

    Raises:
        ModuleNotFoundError: it is not installed; the message says how to install it.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the joint search needs Optuna: pip install 'mixmas_pipeline[optuna]', or set validate_search.proxy.joint "
            "to false"
        ) from error
    return optuna


def _best(scores: Mapping[str, list[float]]) -> str:
    return max(scores, key=lambda name: float(np.mean(scores[name])))
