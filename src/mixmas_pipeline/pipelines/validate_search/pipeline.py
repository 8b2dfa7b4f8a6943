"""The graph of the validation: one node a combination, one node a budget and replicate.

narrow, draw_truth_rows -> enumerate -> [truth]: train_* ----> measure_agreement -> draw_agreement
narrow, lay_out_budgets -> [search]: search_* ---------------^
"""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.validate_search import judging, nodes
from mixmas_pipeline.pipelines.validate_search.parameters import ValidateSearchParameters
from mixmas_pipeline.pipelines.validate_search.space import combinations

NAMESPACE = "validate_search"


def create_pipeline(dataset: str, search: SearchParameters, validate: ValidateSearchParameters) -> Pipeline:
    """Nodes of the namespace ``validate_search``.

    Args:
        search: the search space.
        validate: its sub-space, and the budgets to try; they decide which nodes there are.
    """
    space = f"{dataset}.validate_search"
    parameters, searching = f"params:{space}", f"params:{dataset}.search"
    train, validation, full = f"{dataset}.train", f"{dataset}.validation", f"{space}.full"
    names = list(combinations(search.only(validate.space)))
    budgets = list(nodes.budget_grid(validate.proxy))
    graph = [
        Node(nodes.narrow, [searching, f"{parameters}.space"], f"{space}.space", name="narrow", namespace=NAMESPACE),
        Node(
            nodes.draw_truth_rows,
            [train, f"{parameters}.truth", f"{searching}.sample"],
            full,
            name="draw_truth_rows",
            namespace=NAMESPACE,
        ),
        Node(
            nodes.enumerate_combinations,
            [full, searching, f"{parameters}.space"],
            {name: f"{space}.truth.{name}_architecture" for name in names},
            name="enumerate",
            namespace=f"{NAMESPACE}.truth",
        ),
        Node(
            nodes.lay_out_budgets,
            [train, f"{parameters}.proxy", f"{searching}.sample", f"{searching}.budget"],
            {name: f"{space}.search.{name}_budget" for name in budgets},
            name="lay_out_budgets",
            namespace=f"{NAMESPACE}.search",
        ),
    ]
    graph += [
        Node(
            nodes.train_combination,
            [
                f"{space}.truth.{name}_architecture",
                full,
                validation,
                f"{parameters}.truth",
                f"{searching}.selection.metric",
            ],
            f"{space}.truth.{name}_result",
            name=f"train_{name}",
            namespace=f"{NAMESPACE}.truth",
            tags="training",
        )
        for name in names
    ]
    graph += [
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
    tables = [f"{dataset}.combinations", f"{dataset}.agreement", f"{dataset}.agreement_summary"]
    graph += [
        Node(
            judging.measure_agreement,
            {
                "train": train,
                "validation": validation,
                "truth": f"{parameters}.truth",
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
            judging.draw_agreement,
            tables[1:],
            [f"{dataset}.regret_figure", f"{dataset}.tau_figure"],
            name="draw_agreement",
            namespace=NAMESPACE,
        ),
    ]
    return Pipeline(graph)
