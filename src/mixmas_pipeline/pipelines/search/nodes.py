"""Nodes of the search. ``proposals`` builds candidates, ``trials`` trains them, ``selection`` selects the winner."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.presence import restrict
from mixmas_pipeline.evaluation.tasks import check_settings
from mixmas_pipeline.models.architecture import Architecture, FusionFunction
from mixmas_pipeline.pipelines.search.parameters import (
    EncoderStage,
    FusionNetworkStage,
    MatchParameters,
    SampleParameters,
    SelectionParameters,
)
from mixmas_pipeline.pipelines.search.results import (
    CandidateResult,
    Choice,
    Proposal,
    SamplingReport,
    SettingsReport,
    StageDecision,
)
from mixmas_pipeline.pipelines.search.sampling import draw_samples
from mixmas_pipeline.pipelines.search.selection import eliminate, not_above_chance, rank
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)


def check_parameters(
    train: MultimodalTable, selection: SelectionParameters, budget: BudgetParameters, training: TrainingParameters
) -> SettingsReport:
    """Check that the parameters, those of full training too, fit the training rows and the task.

    A node of its own: a change of full training alone runs nothing else of the search again.

    Raises:
        ValueError: they do not fit.
    """
    for name, present in train.present.items():
        if not present.any():
            raise ValueError(f"none of the {len(train)} training rows has the modality {name!r}; leave it out")
    report = SettingsReport(
        task=train.schema.task,
        metrics={"search.selection.metric": selection.metric, "training.metric": training.metric},
        balances={"search.budget.balance": budget.balance, "training.balance": training.balance},
        modality_dropouts={
            "search.budget.modality_dropout": budget.modality_dropout,
            "training.modality_dropout": training.modality_dropout,
        },
    )
    for parameter, dropout in report.modality_dropouts.items():
        if dropout and len(train.schema.modalities) == 1:
            (only,) = train.schema.modalities
            raise ValueError(
                f"{parameter} is {dropout}, and {only!r} is the only modality; expected 0: there is nothing else to "
                "answer from"
            )
    check_settings(report.task, report.metrics, report.balances)
    return report


def sample_for_search(
    train: MultimodalTable, parameters: SampleParameters
) -> tuple[MultimodalTable, MultimodalTable, SamplingReport]:
    """Draw the sample that candidates are trained on and the held-out one that they are scored on.

    Returns:
        sample; holdout, disjoint from it; report of their sizes and imbalances.

    Raises:
        ValueError: a class has fewer than 3 examples; a sample's class proportions differ too much.
    """
    return draw_samples(train, parameters)


def propose_encoders(sample: MultimodalTable, encoders: dict[str, Any], match: MatchParameters) -> dict[str, Proposal]:
    """Each modality's encoder candidates.

    Args:
        sample: gives shapes and statistics.
        encoders: modality -> ``EncoderStage``.
        match: how candidates are matched in parameters.

    Returns:
        "modality.candidate" -> proposal.

    Raises:
        ValueError: the space and the table have different modalities; a candidate does not fit.
    """
    from mixmas_pipeline.pipelines.search.proposals import encoder_proposals

    return encoder_proposals(sample, TypeAdapter(dict[str, EncoderStage]).validate_python(encoders), match)


def propose_fusion_functions(
    sample: MultimodalTable, functions: list[FusionFunction], network: FusionNetworkStage, **choices: Choice
) -> dict[str, Proposal]:
    """The chosen encoders with each fusion function.

    Args:
        sample: gives task, classes and the order of the modalities.
        functions: the candidates.
        network: its reference is the fixed fusion network.
        choices: modality -> choice of its encoder stage.

    Returns:
        Fusion function -> proposal.
    """
    from mixmas_pipeline.pipelines.search.proposals import fusion_function_proposals

    chosen = {modality: choice.architecture for modality, choice in choices.items()}
    return fusion_function_proposals(sample, functions, network, chosen)


def propose_fusion_networks(choice: Choice, network: FusionNetworkStage, match: MatchParameters) -> dict[str, Proposal]:
    """The chosen encoders and fusion function with each fusion network.

    Args:
        choice: of the fusion-function stage.
        network: the candidates.
        match: how candidates are matched in parameters.

    Returns:
        Fusion network -> proposal.
    """
    from mixmas_pipeline.pipelines.search.proposals import fusion_network_proposals

    return fusion_network_proposals(choice.architecture, network, match)


def train_candidate(
    proposal: Proposal,
    sample: MultimodalTable,
    holdout: MultimodalTable,
    budget: BudgetParameters,
    selection: SelectionParameters,
) -> CandidateResult:
    """Train a candidate with the regular budget from the first seeds, and score it."""
    from mixmas_pipeline.pipelines.search.trials import train_from_seeds

    trials = train_from_seeds(proposal, sample, holdout, budget, selection.metric, budget.steps, budget.first_seeds)
    return CandidateResult(**dict(proposal), trials=trials)


def decide(
    selection: SelectionParameters, budget: BudgetParameters, holdout: MultimodalTable, **results: CandidateResult
) -> StageDecision:
    """How a stage continues after the first trials.

    If a candidate is not clearly above chance and the budget has an extension, all candidates are trained for longer.
    Otherwise, if the budget asks for successive elimination, candidates clearly behind the best are dropped, and the
    others are trained with the remaining seeds, unless only one is left.

    Args:
        selection, budget: of the search.
        holdout: candidates were scored on it.
        results: candidate -> its first trials.
    """
    labels = _scored_labels(holdout, results)
    at_chance = not_above_chance(list(results.values()), labels, selection)
    extend = bool(at_chance) and budget.extended_steps > budget.steps
    if at_chance:
        consequence = "the stage is given its extended budget" if extend else "its budget has no extension"
        _log.warning("Not clearly above chance: %s; %s", ", ".join(at_chance), consequence)
    dropped: dict[str, str] = {}
    ranked = [result for name, result in results.items() if name not in at_chance]
    if budget.race is not None and not extend and ranked:
        dropped = eliminate(ranked, labels, selection, budget.race.behind)
    left = tuple(result.candidate for result in ranked if result.candidate not in dropped)
    remaining_seeds = len(budget.seeds) - len(budget.first_seeds)
    finish = left if remaining_seeds and not extend and len(left) > 1 else ()
    for name, reason in dropped.items():
        _log.info("%s is dropped: %s", name, reason)
    return StageDecision(extend=extend, at_chance=tuple(at_chance), dropped=dropped, finish=finish)


def finish_candidate(
    result: CandidateResult,
    decision: StageDecision,
    sample: MultimodalTable,
    holdout: MultimodalTable,
    budget: BudgetParameters,
    selection: SelectionParameters,
) -> CandidateResult:
    """Train what the decision asks for: all seeds again with the extended budget, the remaining seeds, or nothing.

    An extension covers all candidates of a stage, those above chance too: they must have had the same budget.
    """
    from mixmas_pipeline.pipelines.search.trials import train_from_seeds

    if decision.extend:
        steps, seeds = budget.extended_steps, budget.seeds
        trials = train_from_seeds(result, sample, holdout, budget, selection.metric, steps, seeds)
        return result.model_copy(update={"trials": trials, "earlier_seconds": result.seconds})
    if result.candidate in decision.finish:
        seeds = budget.seeds[len(result.trials) :]
        trials = train_from_seeds(result, sample, holdout, budget, selection.metric, budget.steps, seeds)
        return result.model_copy(update={"trials": result.trials + trials})
    return result


def choose(
    selection: SelectionParameters, holdout: MultimodalTable, decision: StageDecision, **results: CandidateResult
) -> tuple[Choice, pd.DataFrame, pd.DataFrame]:
    """Rank a stage's candidates and select one.

    Args:
        selection: of the search.
        holdout: candidates were scored on it.
        decision: of the stage.
        results: candidate -> all its trials.

    Returns:
        choice; leaderboard: one row per candidate, best first; losses: training losses by candidate, seed and step.
    """
    from mixmas_pipeline.pipelines.search.tables import leaderboard_table, losses_table

    candidates = list(results.values())
    ranking = rank(candidates, _scored_labels(holdout, results), selection, decision.dropped)
    winner = next(result for result in candidates if result.candidate == ranking.winner)
    level = logging.WARNING if len(ranking.at_chance) == len(results) else logging.INFO
    _log.log(level, "%s: %s. %s", winner.stage, winner.candidate, ranking.reason)
    choice = Choice(
        stage=winner.stage,
        candidate=winner.candidate,
        reason=ranking.reason,
        tied=tuple(ranking.tied),
        extended=decision.extend,
        architecture=winner.architecture,
    )
    return choice, leaderboard_table(candidates, ranking, decision), losses_table(candidates)


def conclude(choice: Choice, *tables: pd.DataFrame) -> tuple[Architecture, pd.DataFrame, pd.DataFrame]:
    """The search's result: the last stage's architecture, and the stages' tables one below the other.

    Args:
        choice: of the last stage.
        tables: each stage's leaderboard, then each stage's losses.
    """
    stages = len(tables) // 2
    leaderboard, losses = (pd.concat(part, ignore_index=True) for part in (tables[:stages], tables[stages:]))
    return choice.architecture, leaderboard, losses


def _scored_labels(holdout: MultimodalTable, results: dict[str, CandidateResult]) -> np.ndarray:
    """Labels of the held-out rows that a stage is scored on: in an encoder's stage, those that have its modality."""
    modality = next(iter(results.values())).modality
    return restrict(holdout, [modality] if modality else holdout.schema.modalities).labels
