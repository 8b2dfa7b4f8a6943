"""Two searches of the same space at the same price: stage by stage, as MixMAS does, and jointly, with Optuna."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.search.parameters import SearchParameters, SelectionParameters
from mixmas_pipeline.pipelines.search.selection import judge
from mixmas_pipeline.pipelines.validate_search.space import Builder, Combination, Proposal, name_of, stages
from mixmas_pipeline.training.parameters import BudgetParameters

_STARTUP = 4  # random trials; Optuna's default of 10 would be all that the smallest budgets pay for
_log = logging.getLogger(__name__)


def training_flops(proposal: Proposal, examples: int) -> float:
    """Of a training that sees so many examples (repeats count): a forward and backward pass cost about three forward
    passes."""
    return 3.0 * proposal["flops"] * examples


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
        epochs: passes over the sample that the budget's steps make.
        budget: of a trial.
        metric: the score.
        seed: of the first trial of a candidate; the next ones count up.
    """

    def __init__(
        self,
        sample: MultimodalTable,
        holdout: MultimodalTable,
        epochs: int,
        budget: BudgetParameters,
        metric: str,
        seed: int,
    ) -> None:
        self._sample, self._holdout, self._epochs = sample, holdout, epochs
        self._budget, self._metric, self._seed = budget, metric, seed
        self._done: dict[tuple[str, int], dict[str, Any]] = {}

    def labels(self, architecture: Architecture) -> np.ndarray:
        """Of the examples that an architecture is scored on: those that have one of its modalities."""
        from mixmas_pipeline.evaluation.presence import restrict

        return restrict(self._holdout, architecture.inputs).labels

    def flops(self, proposal: Proposal) -> float:
        """Of one trial's training."""
        return training_flops(proposal, self._epochs * len(self._sample))

    def one(self, proposal: Proposal, number: int) -> dict[str, Any]:
        """A candidate's trial with the given number: score, predicted, seconds and more. One whose loss becomes
        infinite scores 0 and predicts what one answers without looking."""
        from mixmas_pipeline.evaluation.tasks import task_of
        from mixmas_pipeline.training.trial import run_trial

        architecture = Architecture.model_validate(proposal["architecture"])
        key = (architecture.model_dump_json(), number)
        if key not in self._done:
            label = f"{proposal['stage']} {proposal['candidate']}, trial {number + 1}"
            steps, seed = self._budget.steps, self._seed + number
            try:
                trial = run_trial(
                    architecture, self._sample, self._holdout, self._budget, steps, seed, self._metric, label
                )
                self._done[key] = vars(trial)
            except FloatingPointError as error:
                _log.warning("%s counts as 0", error)
                blind = task_of(architecture.task).dummy_prediction(self._sample)
                nothing = np.broadcast_to(blind, self.labels(architecture).shape)
                self._done[key] = {"score": 0.0, "predicted": nothing, "seconds": 0.0, "steps": steps}
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
        labels = trials.labels(Architecture.model_validate(results[0]["architecture"]))
        choice[stage] = judge(results, labels, selection).winner
    return Outcome(choice, scores, flops, seconds)


def jointly(
    search: SearchParameters, builder: Builder, trials: Trials, budgets: list[float], seed: int
) -> list[Outcome]:
    """Optuna's multivariate TPE sampler (Bergstra et al. 2011) over whole combinations, a trial at a time.

    A combination that comes again is trained from another seed. The combination with the best mean score wins.

    Args:
        budgets: FLOPs, ascending. One search is made; what it had found when each was spent is returned. The last
            trial may exceed the budget: the joint search is never given less.
        seed: of the sampler.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
    """
    optuna = import_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=_STARTUP)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    by_stage, outcomes = stages(search), []
    flops = seconds = 0.0
    scores: dict[str, list[float]] = {}
    choices: dict[str, Combination] = {}
    for budget in budgets:
        while not scores or flops < budget:
            asked = study.ask()
            choice = {stage: asked.suggest_categorical(stage, names) for stage, names in by_stage.items()}
            name, proposal = name_of(choice), builder.whole(choice)
            earlier = scores.setdefault(name, [])
            trial = trials.one(proposal, len(earlier))
            study.tell(asked, trial["score"])
            earlier.append(trial["score"])
            choices[name] = choice
            flops, seconds = flops + trials.flops(proposal), seconds + trial["seconds"]
        best = max(scores, key=lambda name: float(np.mean(scores[name])))
        outcomes.append(Outcome(choices[best], {}, flops, seconds))
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
