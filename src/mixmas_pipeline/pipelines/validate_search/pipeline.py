"""The graph of the validation: a node per combination, and a node per budget and replicate.

narrow, draw_truth_rows -> enumerate -> [truth]: train_* ----> measure_agreement -> draw_agreement
narrow, lay_out_budgets -> [search]: search_* ---------------^
"""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.validate_search import nodes
from mixmas_pipeline.pipelines.validate_search.budgets import budget_grid
from mixmas_pipeline.pipelines.validate_search.parameters import ValidateSearchParameters
from mixmas_pipeline.pipelines.validate_search.space import combinations

NAMESPACE = "validate_search"


def create_pipeline(dataset: str, search: SearchParameters, validate: ValidateSearchParameters) -> Pipeline:
    """Nodes of the namespace ``validate_search``.

    Args:
        dataset: its tables are ``{dataset}.train`` and ``{dataset}.validation``.
        search: the search space.
        validate: its sub-space, and the budgets to try; they decide which nodes the graph has.
    """
    names, budgets = list(combinations(search.only(validate.space))), list(budget_grid(validate.proxy))
    return Pipeline(
        [
            *_full_trainings(dataset, names),
            *_searches(dataset, budgets),
            *_agreement(dataset, names, budgets),
        ]
    )


def _full_trainings(dataset: str, names: Sequence[str]) -> list[Node]:
    space, searching = f"{dataset}.validate_search", f"params:{dataset}.search"
    truth, candidates, full = f"params:{space}.truth", f"params:{space}.space", f"{space}.full"
    trainings = [
        Node(
            nodes.train_combination,
            [
                f"{space}.truth.{name}_architecture",
                full,
                f"{dataset}.validation",
                truth,
                f"{searching}.selection.metric",
            ],
            f"{space}.truth.{name}_result",
            name=f"train_{name}",
            namespace=f"{NAMESPACE}.truth",
            tags="training",
        )
        for name in names
    ]
    return [
        Node(
            nodes.draw_truth_rows,
            [f"{dataset}.train", truth, f"{searching}.sample"],
            full,
            name="draw_truth_rows",
            namespace=NAMESPACE,
        ),
        Node(
            nodes.enumerate_combinations,
            [full, searching, candidates],
            {name: f"{space}.truth.{name}_architecture" for name in names},
            name="enumerate",
            namespace=f"{NAMESPACE}.truth",
        ),
        *trainings,
    ]


def _searches(dataset: str, budgets: Sequence[str]) -> list[Node]:
    space, searching = f"{dataset}.validate_search", f"params:{dataset}.search"
    train, candidates = f"{dataset}.train", f"params:{space}.space"
    searches = [
        Node(
            nodes.search_within_budget,
            [f"{space}.search.{name}_budget", train, f"{space}.space", f"{searching}.selection"],
            f"{space}.search.{name}_result",
            name=f"search_{name}",
            namespace=f"{NAMESPACE}.search",
            tags="trial",
        )
        for name in budgets
    ]
    return [
        Node(nodes.narrow, [searching, candidates], f"{space}.space", name="narrow", namespace=NAMESPACE),
        Node(
            nodes.lay_out_budgets,
            [train, f"params:{space}.proxy", f"{searching}.sample", f"{searching}.budget"],
            {name: f"{space}.search.{name}_budget" for name in budgets},
            name="lay_out_budgets",
            namespace=f"{NAMESPACE}.search",
        ),
        *searches,
    ]


def _agreement(dataset: str, names: Sequence[str], budgets: Sequence[str]) -> list[Node]:
    space, searching = f"{dataset}.validate_search", f"params:{dataset}.search"
    tables = [f"{dataset}.combinations", f"{dataset}.agreement", f"{dataset}.agreement_summary"]
    return [
        Node(
            nodes.measure_agreement,
            {
                "train": f"{dataset}.train",
                "validation": f"{dataset}.validation",
                "truth": f"params:{space}.truth",
                "sample": f"{searching}.sample",
                "batch_size": f"{searching}.budget.batch_size",
                **{f"truth/{name}": f"{space}.truth.{name}_result" for name in names},
                **{f"search/{name}": f"{space}.search.{name}_result" for name in budgets},
            },
            tables,
            name="measure_agreement",
            namespace=NAMESPACE,
        ),
        Node(
            nodes.draw_agreement,
            tables[1:],
            [f"{dataset}.regret_figure", f"{dataset}.tau_figure"],
            name="draw_agreement",
            namespace=NAMESPACE,
        ),
    ]
