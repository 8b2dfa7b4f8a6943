"""Nodes that hold the search's choices against full training of every combination.

The *truth* of a combination is its score on the validation split after full training, and a *budget* is what the
micro-benchmark may spend. A search is repeated, as *replicates*, with other samples and seeds. What judges them is in
``judging``: a change there must not train anything again.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from itertools import product
from typing import Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.blocks.base import CHECKED
from mixmas_pipeline.pipelines.search.parameters import SampleParameters, SearchParameters, SelectionParameters
from mixmas_pipeline.pipelines.validate_search.parameters import ProxyParameters, TruthParameters
from mixmas_pipeline.pipelines.validate_search.space import Builder, combinations, name_of
from mixmas_pipeline.training.parameters import BudgetParameters, OptimiserParameters
from mixmas_pipeline.utils.progress import Part, Scored, tell

_log = logging.getLogger(__name__)


def narrow(search: dict[str, Any], space: dict[str, list[str]]) -> dict[str, Any]:
    """The sub-space: the search's parameters with the named candidates only, without its budget and samples."""
    return _sub_space(search, space).model_dump(mode="json", exclude={"budget", "sample", "selection"})


def draw_truth_rows(train: MultimodalTable, truth: TruthParameters, sample: SampleParameters) -> MultimodalTable:
    """The training examples of the full trainings: a stratified sample of the split."""
    from mixmas_pipeline.evaluation.tasks import strata_of
    from mixmas_pipeline.pipelines.search.sampling import stratified_split

    if truth.rows >= len(train):
        _log.info("Full trainings take all %d training examples", len(train))
        return train
    strata, _ = strata_of(train)
    return train.take(stratified_split(strata, [truth.rows], sample.seed)[0])


def enumerate_combinations(
    full: MultimodalTable, search: dict[str, Any], space: dict[str, list[str]]
) -> dict[str, dict[str, Any]]:
    """Every combination of the sub-space.

    Returns:
        Its name -> its proposal, as the search's, with ``choice``: stage -> candidate.
    """
    chosen = _sub_space(search, space)
    builder = Builder(full, chosen)
    return {name: {**builder.whole(choice), "choice": choice} for name, choice in combinations(chosen).items()}


def train_combination(
    proposal: dict[str, Any],
    full: MultimodalTable,
    validation: MultimodalTable,
    truth: TruthParameters,
    metric: Metric,
) -> dict[str, Any]:
    """Train one combination fully from every seed, and score its last epoch on the validation split.

    A training whose loss becomes infinite scores 0.

    Returns:
        choice, parameters, flops (of one training), scores (one a seed), halves (seed by seed, the score on every other
        example and on the rest), seconds (of one training).
    """
    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.pipelines.validate_search.searches import training_flops
    from mixmas_pipeline.training.trial import batch_rows, run_trial

    steps = truth.epochs * len(batch_rows(len(full), truth.batch_size, 0, 0))
    budget = _budget(truth.model_dump(include=_OPTIMISER), steps)
    architecture, name = Architecture.model_validate(proposal["architecture"]), name_of(proposal["choice"])
    labels, classes = validation.labels, len(validation.schema.classes)
    scores, halves, seconds = [], [], []
    for number, seed in enumerate(truth.seeds, start=1):
        tell(Part("seed", number, len(truth.seeds)))
        try:
            trial = run_trial(architecture, full, validation, budget, steps, seed, metric, f"{name}, seed {seed}")
        except FloatingPointError as error:
            _log.warning("%s counts as 0", error)
            scores.append(0.0)
            halves.append([0.0, 0.0])
            continue
        scores.append(trial.score)
        tell(Scored(name, str(seed), metric, trial.score))
        halves.append([score(metric, labels[h::2], trial.predicted[h::2], classes) for h in range(2)])
        seconds.append(trial.seconds)
    _log.info("%s: %s %s", name, metric, " ".join(f"{value:.3f}" for value in scores))
    return {
        "choice": proposal["choice"],
        "parameters": proposal["parameters"],
        "flops": training_flops(proposal, truth.epochs * len(full)),
        "scores": scores,
        "halves": halves,
        "seconds": sum(seconds) / max(1, len(seconds)),
    }


def lay_out_budgets(
    train: MultimodalTable, proxy: ProxyParameters, sample: SampleParameters, budget: BudgetParameters
) -> dict[str, Any]:
    """Every budget and replicate to be tried, by name: what one search needs to know.

    Raises:
        ValueError: a sample and the scoring sample together are larger than the training split.
        ModuleNotFoundError: the joint search is asked for and Optuna is not installed.
    """
    from mixmas_pipeline.pipelines.search.sampling import sample_sizes
    from mixmas_pipeline.pipelines.validate_search.searches import import_optuna
    from mixmas_pipeline.training.trial import batch_rows

    # The version is part of what is asked for: another sampler makes another search.
    joint = f"optuna {import_optuna().__version__}" if proxy.joint else None
    _, holdout = sample_sizes(len(train), sample.margin, sample.holdout_margin, sample.z, sample.p)
    if max(proxy.rows) + holdout > len(train):
        raise ValueError(
            f"validate_search.proxy.rows asks for {max(proxy.rows)} examples beside the {holdout} to score on; the "
            f"training split has {len(train)}"
        )
    optimiser = budget.model_dump(include={*_OPTIMISER, "device"})
    laid_out = {}
    for name, (rows, epochs, rate, replicate) in budget_grid(proxy).items():
        steps = epochs * len(batch_rows(rows, budget.batch_size, 0, 0))
        laid_out[name] = {
            "rows": rows,
            "holdout": holdout,
            "epochs": epochs,
            "seeds": sorted(proxy.seeds),
            "replicate": replicate,
            "joint": joint,
            "budget": _budget({**optimiser, "learning_rate": rate}, steps).model_dump(mode="json"),
        }
    return laid_out


def budget_grid(proxy: ProxyParameters) -> dict[str, tuple[int, int, float, int]]:
    """Name -> rows, epochs, learning rate, replicate. (The learning rate is named by its place in the list.)"""
    return {
        f"rows_{rows}_epochs_{epochs}_rate_{r}_replicate_{replicate}": (rows, epochs, rate, replicate)
        for rows, epochs, (r, rate), replicate in product(
            proxy.rows, proxy.epochs, enumerate(proxy.learning_rates), range(proxy.replicates)
        )
    }


def search_within_budget(
    cell: dict[str, Any], train: MultimodalTable, space: dict[str, Any], selection: SelectionParameters
) -> list[dict[str, Any]]:
    """Search the sub-space stage by stage, and jointly at the same price, with one budget and one replicate.

    A stage is not extended here when a candidate is at chance: the budget is what is tried.

    Returns:
        One entry a method and number of seeds: method, rows, epochs, learning_rate, seeds, replicate, reference (fusion
        network of the fusion-function stage), choice, scores, flops, seconds.
    """
    from mixmas_pipeline.evaluation.tasks import strata_of
    from mixmas_pipeline.pipelines.search.sampling import stratified_split
    from mixmas_pipeline.pipelines.validate_search.searches import Trials, jointly, stage_by_stage

    replicate, budget = cell["replicate"], BudgetParameters.model_validate(cell["budget"])
    sizes = [cell["rows"], cell["holdout"]]
    strata, _ = strata_of(train)
    sample, holdout = (train.take(rows) for rows in stratified_split(strata, sizes, replicate))
    search = SearchParameters.model_validate(
        {**space, "budget": budget, "selection": selection, "sample": {"seed": replicate}}
    )
    builder = Builder(sample, search)
    # Seeds of different replicates must not meet; no candidate has a thousand trials.
    trials = Trials(sample, holdout, cell["epochs"], budget, selection.metric, seed=1000 * (replicate + 1))
    found = {"stage by stage": [stage_by_stage(search, builder, trials, seeds, selection) for seeds in cell["seeds"]]}
    if cell["joint"]:
        found["joint (TPE)"] = jointly(
            search, builder, trials, [outcome.flops for outcome in found["stage by stage"]], replicate
        )
    what = {key: cell[key] for key in ("rows", "epochs", "replicate")}
    what |= {"learning_rate": budget.learning_rate, "reference": search.fusion_network.reference}
    return [
        {"method": method, **what, "seeds": seeds, **asdict(outcome)}
        for method, outcomes in found.items()
        for seeds, outcome in zip(cell["seeds"], outcomes, strict=True)
    ]


def _sub_space(search: dict[str, Any], space: dict[str, list[str]]) -> SearchParameters:
    return SearchParameters.model_validate(search, context=CHECKED).only(
        {stage: tuple(names) for stage, names in space.items()}
    )


_OPTIMISER = set(OptimiserParameters.model_fields)


def _budget(optimiser: dict[str, Any], steps: int) -> BudgetParameters:
    """A budget of exactly so many steps; its seeds are not used here."""
    return BudgetParameters.model_validate({**optimiser, "steps": steps, "extended_steps": steps, "seeds": (0, 1)})
