"""Nodes of the validation: the search's choices against full training of each combination.

``full_training`` trains combinations, ``searches`` searches within budgets, ``agreement`` compares the two.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.sampling import sample_sizes, stratified_split
from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.evaluation.strata import strata_of
from mixmas_pipeline.pipelines.search.parameters import SampleParameters, SelectionParameters
from mixmas_pipeline.pipelines.validate_search.budgets import budget_grid, trial_budget
from mixmas_pipeline.pipelines.validate_search.parameters import ProxyParameters, TruthParameters
from mixmas_pipeline.pipelines.validate_search.results import (
    AgreementSummary,
    Combination,
    CombinationResult,
    SearchBudget,
    SearchOutcome,
    SearchOutcomes,
    SubSpace,
)
from mixmas_pipeline.pipelines.validate_search.space import combinations, sub_space
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)


def narrow(search: dict[str, Any], space: dict[str, list[str]]) -> SubSpace:
    """The search space with the named candidates only."""
    return sub_space(search, space)


def draw_truth_rows(train: MultimodalTable, truth: TruthParameters, sample: SampleParameters) -> MultimodalTable:
    """The training examples of full training: a stratified sample of the split."""
    if truth.rows >= len(train):
        _log.info("Full trainings use all %d training examples", len(train))
        return train
    strata, _ = strata_of(train)
    return train.take(stratified_split(strata, [truth.rows], sample.seed)[0])


def enumerate_combinations(
    full: MultimodalTable, search: dict[str, Any], space: dict[str, list[str]]
) -> dict[str, Combination]:
    """Each combination of the sub-space, by name."""
    from mixmas_pipeline.pipelines.validate_search.proposals import Builder

    part = sub_space(search, space)
    builder = Builder(full, part)
    return {
        name: Combination(**dict(builder.complete(choice)), choice=choice)
        for name, choice in combinations(part).items()
    }


def train_combination(
    combination: Combination,
    full: MultimodalTable,
    validation: MultimodalTable,
    truth: TruthParameters,
    metric: Metric,
) -> CombinationResult:
    """Train one combination fully from each seed, and score it on the validation split."""
    from mixmas_pipeline.pipelines.validate_search.full_training import train_fully

    return train_fully(combination, full, validation, truth, metric)


def lay_out_budgets(
    train: MultimodalTable, proxy: ProxyParameters, sample: SampleParameters, budget: BudgetParameters
) -> dict[str, SearchBudget]:
    """Each budget and replicate that is tried, by name.

    Raises:
        ValueError: a sample and the scoring sample together are larger than the training split.
        ModuleNotFoundError: the joint search is requested and Optuna is not installed.
    """
    from mixmas_pipeline.pipelines.validate_search.searches import import_optuna
    from mixmas_pipeline.training.batches import batch_rows

    # Another version of the sampler makes another search, so the version is part of the request.
    joint = f"optuna {import_optuna().__version__}" if proxy.joint else None
    _, holdout = sample_sizes(len(train), sample.margin, sample.holdout_margin, sample.z, sample.p)
    if max(proxy.rows) + holdout > len(train):
        raise ValueError(
            f"validate_search.proxy.rows asks for {max(proxy.rows)} examples beside the {holdout} to score on; the "
            f"training split has {len(train)}"
        )
    budgets = {}
    for name, setting in budget_grid(proxy).items():
        steps = setting.epochs * len(batch_rows(setting.rows, budget.batch_size, 0, 0))
        budgets[name] = SearchBudget(
            rows=setting.rows,
            holdout=holdout,
            epochs=setting.epochs,
            seeds=tuple(sorted(proxy.seeds)),
            replicate=setting.replicate,
            joint=joint,
            budget=trial_budget(budget, steps, setting.learning_rate),
        )
    return budgets


def search_within_budget(
    budget: SearchBudget, train: MultimodalTable, space: SubSpace, selection: SelectionParameters
) -> SearchOutcomes:
    """Search the sub-space with one budget and replicate: stage by stage, and jointly at the same cost."""
    from mixmas_pipeline.pipelines.validate_search.searches import search_with_budget

    return SearchOutcomes(tuple(search_with_budget(budget, train, space, selection)))


def measure_agreement(
    train: MultimodalTable,
    validation: MultimodalTable,
    truth: TruthParameters,
    sample: SampleParameters,
    batch_size: int,
    **inputs: CombinationResult | SearchOutcomes,
) -> tuple[pd.DataFrame, pd.DataFrame, AgreementSummary]:
    """Compare each search's choice with full training.

    Args:
        train, validation: their sizes and source.
        truth: how the combinations were trained.
        sample, batch_size: of the search, to express the recommended budget in its parameters.
        inputs: "truth/name" -> a combination's result; "search/name" -> a budget's outcomes.

    Returns:
        combinations: one row each, best first; agreement: one row per method and budget, means over the replicates;
        summary: of the space, and the recommended budget.
    """
    from mixmas_pipeline.pipelines.validate_search.agreement import (
        agreement_table,
        combination_table,
        recommend,
        summarise,
    )

    results: dict[str, CombinationResult] = {}
    searches: list[SearchOutcome] = []
    for key, value in inputs.items():
        if isinstance(value, CombinationResult):
            results[key.removeprefix("truth/")] = value
        else:
            searches += value.root
    agreement = agreement_table(results, searches)
    recommended = recommend(results, agreement, len(train), sample, batch_size)
    rows = min(truth.rows, len(train))
    summary = summarise(results, recommended, train.schema.source, rows, truth.epochs, len(validation))
    return combination_table(results), agreement, summary


def draw_agreement(agreement: pd.DataFrame, summary: AgreementSummary) -> tuple[Any, Any]:
    """Returns:
    Regret against cost; Kendall's tau of each stage against cost.
    """
    from mixmas_pipeline.plots.agreement import regret_figure, tau_figure

    regret = regret_figure(agreement, summary.source, summary.random_regret, summary.m2_mixer_regret)
    return regret, tau_figure(agreement)
