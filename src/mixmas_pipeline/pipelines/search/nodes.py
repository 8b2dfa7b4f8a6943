"""Nodes of the search. A *proposal* is a candidate's architecture with its cost; a *result* adds its scores."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import (
    Architecture,
    Block,
    Encoder,
    Fusion,
    FusionFunction,
    FusionNetwork,
    Input,
    Targets,
)
from mixmas_pipeline.pipelines.search.parameters import (
    EncoderStage,
    FusionNetworkStage,
    MatchParameters,
    SampleParameters,
    SelectionParameters,
)
from mixmas_pipeline.pipelines.search.selection import Verdict, fall_behind, judge, needs_extension
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import CandidateScored, report

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

FUSION_FUNCTION, FUSION_NETWORK = "fusion_function", "fusion_network"
_log = logging.getLogger(__name__)


def check_parameters(
    train: MultimodalTable, selection: SelectionParameters, budget: BudgetParameters, training: TrainingParameters
) -> dict[str, Any]:
    """Whether the parameters, those of full training too, fit the training rows and the task. A node of its own: what
    changes only in full training makes nothing of the search run again.

    Returns:
        What was looked at: the task, and parameter -> value.

    Raises:
        ValueError: they do not.
    """
    from mixmas_pipeline.evaluation.tasks import check_settings

    for name, there in train.present.items():
        if not there.any():
            raise ValueError(f"none of the {len(train)} training rows has the modality {name!r}; leave it out")
    dropouts = {
        "search.budget.modality_dropout": budget.modality_dropout,
        "training.modality_dropout": training.modality_dropout,
    }
    for parameter, dropout in dropouts.items():
        if dropout and len(train.schema.modalities) == 1:
            (only,) = train.schema.modalities
            raise ValueError(
                f"{parameter} is {dropout}, and {only!r} is the only modality; expected 0: there is nothing else to "
                "answer from"
            )
    metrics = {"search.selection.metric": selection.metric, "training.metric": training.metric}
    balances = {"search.budget.balance": budget.balance, "training.balance": training.balance}
    check_settings(train.schema.task, metrics, balances)
    return {"task": train.schema.task, **metrics, **balances, **dropouts}


def sample_for_search(
    train: MultimodalTable, parameters: SampleParameters
) -> tuple[MultimodalTable, MultimodalTable, dict[str, Any]]:
    """Draw the two samples that the search sees, stratified, and verify that they are.

    Returns:
        sample: to train candidates on; holdout: to score them on (disjoint); report: sizes and imbalances.

    Raises:
        ValueError: a class has fewer than 3 examples; a sample's class proportions differ too much. (Of a regression:
            the proportion of a range of a target's values.)
    """
    from mixmas_pipeline.evaluation.tasks import strata_of
    from mixmas_pipeline.pipelines.search.sampling import sample_sizes, stratified_split, worst_imbalance

    labels, names = strata_of(train)
    counts = labels.sum(axis=0)
    if (counts < 3).any():
        name, regression = names[int(counts.argmin())], train.schema.task == "regression"
        if name not in train.schema.classes:  # a range of a target, or the rows that have a modality
            raise ValueError(
                f"the training split has {counts.min()} examples {'in ' * regression}{name}; expected at least 3, so "
                "that some can be learnt from, some scored and some left over"
            )
        raise ValueError(
            f"class {name!r} has {counts.min()} examples in the training split; expected at least 3, so that it can be "
            "learnt, scored and left over. Merge it with another class or remove it"
        )
    margins = (parameters.margin, parameters.holdout_margin)
    sizes = dict(
        zip(("sample", "holdout"), sample_sizes(len(train), *margins, parameters.z, parameters.p), strict=True)
    )
    report: dict[str, Any] = {"source": train.schema.source, "population": len(train)}
    report["classes"] = {name: int(count) for name, count in zip(names, counts, strict=True)}
    tables = []
    for (name, size), rows in zip(
        sizes.items(), stratified_split(labels, list(sizes.values()), parameters.seed), strict=True
    ):
        imbalance, worst = worst_imbalance(labels, rows)
        if imbalance > parameters.balance:
            raise ValueError(
                f"the {name} of {size} rows has class {names[worst]!r} off by {imbalance:.3f} in "
                f"proportion; at most {parameters.balance} is allowed"
            )
        if missing := [names[c] for c in np.flatnonzero(~labels[rows].any(axis=0))]:
            _log.warning("The %s of %d rows has no example of %s", name, size, ", ".join(missing))
        report[name] = {
            "rows": size,
            "worst_imbalance": imbalance,
            "worst_class": names[worst],
            "classes": {c: int(n) for c, n in zip(names, labels[rows].sum(axis=0), strict=True)},
        }
        table = train.take(rows)
        table.check()
        tables.append(table)
    _log.info("Sample: %d to train and %d to score, of %d", sizes["sample"], sizes["holdout"], len(train))
    return tables[0], tables[1], report


def propose_encoders(
    sample: MultimodalTable, encoders: dict[str, Any], match: MatchParameters
) -> dict[str, dict[str, Any]]:
    """Every modality's encoder candidates, alone with one head, matched in parameters.

    Args:
        sample: gives shapes and statistics.
        encoders: modality -> ``EncoderStage``.

    Returns:
        "modality.candidate" -> proposal.

    Raises:
        ValueError: the space names a modality that the table has not, or leaves one out; a candidate does not fit.
    """
    if set(encoders) != set(sample.schema.modalities):
        raise ValueError(
            f"the search space describes the modalities {sorted(encoders)}; "
            f"the table has {sorted(sample.schema.modalities)}"
        )
    from mixmas_pipeline.training.statistics import input_statistics, target_statistics

    targets, proposals = target_statistics(sample), {}
    for modality in sample.schema.modalities:
        stage = TypeAdapter(EncoderStage).validate_python(encoders[modality])
        statistics = {modality: input_statistics(sample, modality)}

        def alone(
            name: str,
            block: Block,
            modality: str = modality,
            stage: EncoderStage = stage,
            statistics: dict[str, Input] = statistics,
        ) -> Architecture:
            tokeniser = stage.tokenisers.get(name, stage.tokeniser)
            encoder = Encoder(tokeniser=tokeniser, hidden_dim=stage.hidden_dim, depth=stage.depth, block=block)
            return _architecture(sample, targets, statistics, {modality: encoder}, None)

        for name, architecture in _matched(stage, alone, match).items():
            proposals[f"{modality}.{name}"] = _proposal(modality, modality, name, architecture)
    return proposals


def propose_fusion_functions(
    sample: MultimodalTable, functions: list[FusionFunction], network: FusionNetworkStage, **choices: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """The chosen encoders with each fusion function and the reference fusion network.

    Args:
        choices: modality -> choice of its encoder stage.

    Returns:
        fusion function -> proposal.
    """
    encoders, inputs, targets = {}, {}, None
    for modality in sample.schema.modalities:
        chosen = Architecture.model_validate(choices[modality]["architecture"])
        encoders[modality], inputs[modality] = chosen.encoders[modality], chosen.inputs[modality]
        targets = chosen.targets
    fixed = FusionNetwork(depth=network.depth, block=network.reference_block)
    return {
        function: _proposal(
            FUSION_FUNCTION,
            "",
            function,
            _architecture(sample, targets, inputs, encoders, Fusion(function=function, network=fixed)),
        )
        for function in functions
    }


def propose_fusion_networks(
    choice: dict[str, Any], network: FusionNetworkStage, match: MatchParameters
) -> dict[str, dict[str, Any]]:
    """The chosen encoders and fusion function with each fusion network, matched in its own parameters.

    Returns:
        fusion network -> proposal.
    """
    chosen = Architecture.model_validate(choice["architecture"])
    assert chosen.fusion is not None  # it comes from the stage before, which chooses the function
    function = chosen.fusion.function

    def whole(name: str, block: Block) -> Architecture:
        fusion = Fusion(function=function, network=FusionNetwork(depth=network.depth, block=block))
        return Architecture.model_validate({**chosen.model_dump(), "fusion": fusion.model_dump()})

    return {
        name: _proposal(FUSION_NETWORK, "", name, architecture)
        for name, architecture in _matched(network, whole, match).items()
    }


def train_candidate(
    proposal: dict[str, Any],
    sample: MultimodalTable,
    holdout: MultimodalTable,
    budget: BudgetParameters,
    selection: SelectionParameters,
) -> dict[str, Any]:
    """Train a candidate with the regular budget from the seeds that every candidate is trained with, and score it.

    Returns:
        The proposal with ``trials``: seed, steps, score, predicted held-out labels, training losses, seconds.
    """
    trials = _trials(proposal, sample, holdout, budget, selection, budget.steps, budget.first_seeds)
    return {**proposal, "trials": trials}


def decide(
    selection: SelectionParameters, budget: BudgetParameters, holdout: MultimodalTable, **results: dict[str, Any]
) -> dict[str, Any]:
    """How a stage goes on after the first trials.

    If some candidate is not clearly above chance and the budget has an extension, all are trained for longer. Else, in
    a race, candidates that are clearly behind the best are dropped, and the others are trained with the remaining
    seeds, unless only one is left.

    Returns:
        extend: bool; at_chance: the candidates that are the reason; dropped: candidate -> why; finish: the candidates
        that are trained with the remaining seeds.
    """
    labels = _scored_labels(holdout, results)
    at_chance = needs_extension(list(results.values()), labels, selection)
    extend = bool(at_chance) and budget.extended_steps > budget.steps
    if at_chance:
        what = "the stage is given its extended budget" if extend else "its budget has no extension"
        _log.warning("Not clearly above chance: %s; %s", ", ".join(at_chance), what)
    dropped: dict[str, str] = {}
    racing = [result for name, result in results.items() if name not in at_chance]  # the others are not ranked
    if budget.race is not None and not extend and racing:
        dropped = fall_behind(racing, labels, selection, budget.race.behind)
    left = [result["candidate"] for result in racing if result["candidate"] not in dropped]
    remaining = len(budget.seeds) - len(budget.first_seeds)
    finish = left if remaining and not extend and len(left) > 1 else []
    for name, why in dropped.items():
        _log.info("%s is dropped: %s", name, why)
    return {"extend": extend, "at_chance": at_chance, "dropped": dropped, "finish": finish}


def finish_candidate(
    result: dict[str, Any],
    decision: dict[str, Any],
    sample: MultimodalTable,
    holdout: MultimodalTable,
    budget: BudgetParameters,
    selection: SelectionParameters,
) -> dict[str, Any]:
    """What the decision wants: all seeds again with the extended budget; the remaining seeds; or nothing more.

    All candidates of a stage are extended, those above chance too: they must have had the same budget.
    """
    if decision["extend"]:
        spent = sum(trial["seconds"] for trial in result["trials"])
        trials = _trials(result, sample, holdout, budget, selection, budget.extended_steps, budget.seeds)
        return {**result, "trials": trials, "earlier_seconds": spent}
    if result["candidate"] in decision["finish"]:
        rest = budget.seeds[len(result["trials"]) :]
        trials = _trials(result, sample, holdout, budget, selection, budget.steps, rest)
        return {**result, "trials": result["trials"] + trials}
    return result


def choose(
    selection: SelectionParameters, holdout: MultimodalTable, decision: dict[str, Any], **results: dict[str, Any]
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Rank a stage's candidates and take one.

    Returns:
        choice: stage, candidate, reason, tied, architecture; leaderboard: one row a candidate, best first; losses:
        every candidate's training losses by seed and step.
    """
    verdict = judge(list(results.values()), _scored_labels(holdout, results), selection, decision["dropped"])
    board = _leaderboard(list(results.values()), verdict, decision)
    losses = pd.DataFrame(
        [
            {"stage": r["stage"], "candidate": r["candidate"], "seed": trial["seed"], "step": step, "loss": loss}
            for r in results.values()
            for trial in r["trials"]
            for step, loss in trial["losses"]
        ]
    )
    winner = next(r for r in results.values() if r["candidate"] == verdict.winner)
    level = logging.WARNING if len(verdict.at_chance) == len(results) else logging.INFO
    _log.log(level, "%s: %s. %s", winner["stage"], verdict.winner, verdict.reason)
    choice = {
        "stage": winner["stage"],
        "candidate": verdict.winner,
        "reason": verdict.reason,
        "tied": verdict.tied,
        "extended": decision["extend"],
        "architecture": winner["architecture"],
    }
    return choice, board, losses


def conclude(choice: dict[str, Any], *tables: pd.DataFrame) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """The search's result: the last stage's architecture, and the stages' tables one below the other.

    Args:
        tables: every stage's leaderboard, then every stage's losses.
    """
    stages = len(tables) // 2
    boards, losses = pd.concat(tables[:stages], ignore_index=True), pd.concat(tables[stages:], ignore_index=True)
    return choice["architecture"], boards, losses


def _architecture(
    sample: MultimodalTable,
    targets: Targets | None,
    inputs: dict[str, Input],
    encoders: dict[str, Encoder],
    fusion: Fusion | None,
) -> Architecture:
    return Architecture(
        task=sample.schema.task,
        classes=sample.schema.classes,
        inputs=inputs,
        encoders=encoders,
        fusion=fusion,
        targets=targets,
    )


def _matched(
    stage: EncoderStage | FusionNetworkStage, build: Callable[[str, Block], Architecture], match: MatchParameters
) -> dict[str, Architecture]:
    """Every candidate's architecture; the parts that differ have the same number of parameters, within tolerance."""
    from mixmas_pipeline.models.cost import compared_parameters, match_parameters

    def count(name: str, block: Block) -> int:
        return compared_parameters(build(name, block))

    blocks = stage.blocks
    if match.tolerance is not None:
        target = count(stage.reference, stage.reference_block)
        blocks = {
            name: match_parameters(block, partial(count, name), target, match.tolerance, match.hyperparameter)
            for name, block in blocks.items()
        }
    return {name: build(name, block) for name, block in blocks.items()}


def _proposal(stage: str, modality: str, candidate: str, architecture: Architecture) -> dict[str, Any]:
    from mixmas_pipeline.models.cost import cost

    price = cost(architecture)
    return {
        "stage": stage,
        "modality": modality,
        "candidate": candidate,
        "parameters": price.parameters,
        "flops": price.flops,
        "architecture": architecture.model_dump(mode="json"),
    }


def _trials(
    proposal: dict[str, Any],
    sample: MultimodalTable,
    holdout: MultimodalTable,
    budget: BudgetParameters,
    selection: SelectionParameters,
    steps: int,
    seeds: tuple[int, ...],
) -> list[dict[str, Any]]:
    from mixmas_pipeline.training.trial import run_trials

    architecture = Architecture.model_validate(proposal["architecture"])
    label = f"{proposal['stage']} {proposal['candidate']}"
    trials = run_trials(architecture, sample, holdout, budget, steps, seeds, selection.metric, label, parts=True)
    for trial in trials:
        report(CandidateScored(proposal["candidate"], str(trial.seed), selection.metric, trial.score))
    _log.info(
        "%s: %s %s, %.1f s a seed",
        label,
        selection.metric,
        " ".join(f"{trial.score:.3f}" for trial in trials),
        np.mean([trial.seconds for trial in trials]),
    )
    kind = float if architecture.task == "regression" else int
    return [{**vars(trial), "predicted": trial.predicted.astype(kind).tolist()} for trial in trials]


def _scored_labels(holdout: MultimodalTable, results: dict[str, dict[str, Any]]) -> np.ndarray:
    """Labels of the held-out rows that a stage's candidates are scored on: of an encoder's stage those that have its
    modality."""
    from mixmas_pipeline.evaluation.presence import known

    modality = next(iter(results.values()))["modality"]
    return known(holdout, [modality] if modality else holdout.schema.modalities).labels


def _leaderboard(results: list[dict[str, Any]], verdict: Verdict, decision: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for result in results:
        name, trials = result["candidate"], result["trials"]
        scores = [trial["score"] for trial in trials]
        rows.append(
            {
                "stage": result["stage"],
                "modality": result["modality"],
                "candidate": name,
                "chosen": name == verdict.winner,
                "tied": name in verdict.tied,
                "mean": float(np.mean(scores)),
                "spread": float(np.std(scores, ddof=1)),
                **{f"seed_{trial['seed']}": trial["score"] for trial in trials},
                "chance": verdict.chances[name].mean,
                "above_chance": name not in verdict.at_chance,
                "parameters": result["parameters"],
                "flops_per_example": result["flops"],
                "seconds": float(sum(trial["seconds"] for trial in trials) + result.get("earlier_seconds", 0.0)),
                "steps": trials[0]["steps"],
                "trials": len(trials),
                "extended": decision["extend"],
                "dropped": name in decision["dropped"],
                "reason": verdict.reason if name == verdict.winner else decision["dropped"].get(name, ""),
            }
        )
    board = pd.DataFrame(rows)
    return board.sort_values(
        ["mean", "flops_per_example", "candidate"], ascending=[False, True, True], ignore_index=True
    )
