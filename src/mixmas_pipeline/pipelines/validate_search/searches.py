"""Two searches of the same space at the same price: stage by stage, as MixMAS does, and jointly, with Optuna."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.learning.parameters import BudgetParameters, SearchParameters, SelectionParameters
from mixmas_pipeline.learning.selection import judge
from mixmas_pipeline.mixers.architecture import Architecture
from mixmas_pipeline.pipelines.validate_search.space import Builder, Combination, Proposal, name_of, stages

_BACKWARD = 3  # a training step costs about three forward passes


def training_flops(proposal: Proposal, budget: BudgetParameters) -> float:
    """Of one training with the budget."""
    return float(_BACKWARD * proposal["flops"] * budget.steps * budget.batch_size)


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    Attributes:
        choice: stage -> candidate.
        scores: stage -> candidate -> mean micro-benchmark score; empty for the joint search.
        flops, seconds: of the training that it took.
    """

    choice: Combination
    scores: dict[str, dict[str, float]]
    flops: float
    seconds: float


class Trials:
    """Micro-benchmark trials, each run when it is first asked for.

    Args:
        sample, holdout: to train on, to score on.
        budget: of a trial.
        metric: the score.
        seed: of the first trial of a candidate; the next ones count up.
    """

    def __init__(
        self, sample: MultimodalTable, holdout: MultimodalTable, budget: BudgetParameters, metric: str, seed: int
    ) -> None:
        self._sample, self._holdout, self._budget, self._metric, self._seed = sample, holdout, budget, metric, seed
        self._done: dict[tuple[str, int], dict[str, Any]] = {}

    @property
    def labels(self) -> np.ndarray:
        """Of the examples that are scored on."""
        return self._holdout.labels

    def flops(self, proposal: Proposal) -> float:
        """Of one trial's training."""
        return training_flops(proposal, self._budget)

    def one(self, proposal: Proposal, number: int) -> dict[str, Any]:
        """A candidate's trial with the given number: seed, score, predicted, seconds and more."""
        from mixmas_pipeline.learning.microbenchmark import run_trial

        architecture = Architecture.model_validate(proposal["architecture"])
        key = (architecture.model_dump_json(), number)
        if key not in self._done:
            label = f"{proposal['stage']} {proposal['candidate']}, trial {number + 1}"
            steps, seed = self._budget.steps, self._seed + number
            trial = run_trial(architecture, self._sample, self._holdout, self._budget, steps, seed, self._metric, label)
            self._done[key] = vars(trial)
        return self._done[key]


def stage_by_stage(
    search: SearchParameters, builder: Builder, trials: Trials, seeds: int, selection: SelectionParameters
) -> Outcome:
    """Choose stage after stage, by the rule of the search, with ``seeds`` trials a candidate."""
    choice: Combination = {}
    scores: dict[str, dict[str, float]] = {}
    flops = seconds = 0.0
    for stage in stages(search):
        results = []
        for proposal in builder.stage(stage, choice).values():
            done = [trials.one(proposal, number) for number in range(seeds)]
            results.append({**proposal, "trials": done})
            flops += seeds * trials.flops(proposal)
            seconds += sum(trial["seconds"] for trial in done)
        scores[stage] = {r["candidate"]: float(np.mean([t["score"] for t in r["trials"]])) for r in results}
        choice[stage] = judge(results, trials.labels, selection).winner
    return Outcome(choice, scores, flops, seconds)


def jointly(
    search: SearchParameters, builder: Builder, trials: Trials, budgets: list[float], seed: int
) -> list[Outcome]:
    """Optuna's TPE sampler over whole combinations: one trial each, the best single score wins.

    Args:
        budgets: FLOPs, ascending. One search is made; what it had found when each was spent is returned. The last
            trial may exceed the budget: the joint search is never given less.
        seed: of the sampler.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
    """
    optuna = import_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    by_stage, outcomes = stages(search), []
    flops = seconds = 0.0
    tried: Counter[str] = Counter()
    best: tuple[float, Combination] | None = None
    for budget in budgets:
        while best is None or flops < budget:
            asked = study.ask()
            choice = {stage: asked.suggest_categorical(stage, names) for stage, names in by_stage.items()}
            proposal = builder.whole(choice)
            trial = trials.one(proposal, tried[name_of(choice)])  # a combination that comes again has another seed
            tried[name_of(choice)] += 1
            study.tell(asked, trial["score"])
            flops, seconds = flops + trials.flops(proposal), seconds + trial["seconds"]
            if best is None or trial["score"] > best[0]:
                best = trial["score"], choice
        outcomes.append(Outcome(best[1], {}, flops, seconds))
    return outcomes


def import_optuna() -> Any:
    """The module, or an error that says how to get it."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the joint search needs Optuna: pip install 'mixmas_pipeline[optuna]', or set validate_search.proxy.joint "
            "to false"
        ) from error
    return optuna
