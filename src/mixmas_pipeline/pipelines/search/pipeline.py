"""The search graph of one data set, made from its search space: a node per candidate.

sample -> propose_encoders -> [modality]: train_* -> decide -> finish_* -> choose
       -> [fusion_function]: propose -> train_* -> ... -> choose
       -> [fusion_network]:  propose -> train_* -> ... -> choose -> conclude
"""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.search.results import FUSION_FUNCTION, FUSION_NETWORK

NAMESPACE = "search"


def create_pipeline(dataset: str, search: SearchParameters) -> Pipeline:
    """Nodes of the namespace ``search``.

    Args:
        dataset: its table is ``{dataset}.train``.
        search: the space; it decides which nodes the graph has.
    """
    root = f"{dataset}.search"
    stages: dict[str, Sequence[str]] = {modality: stage.names for modality, stage in search.encoders.items()}
    graph = [*_preparation(dataset, root), _propose_encoders(root, stages)]
    if len(stages) > 1:
        graph += [_propose_fusion_functions(root, list(stages), search), _propose_fusion_networks(root, search)]
        stages |= {FUSION_FUNCTION: search.fusion_functions, FUSION_NETWORK: search.fusion_network.names}
    for stage, candidates in stages.items():
        graph += _stage(root, stage, candidates)
    return Pipeline([*graph, _conclude(dataset, root, list(stages))])


def _preparation(dataset: str, root: str) -> list[Node]:
    parameters = f"params:{root}"
    return [
        Node(
            nodes.check_parameters,
            [f"{dataset}.train", f"{parameters}.selection", f"{parameters}.budget", f"params:{dataset}.training"],
            f"{root}.settings",
            name="check_parameters",
            namespace=NAMESPACE,
        ),
        Node(
            nodes.sample_for_search,
            [f"{dataset}.train", f"{parameters}.sample"],
            [f"{root}.sample", f"{root}.holdout", f"{root}.sampling"],
            name="sample",
            namespace=NAMESPACE,
        ),
    ]


def _propose_encoders(root: str, stages: dict[str, Sequence[str]]) -> Node:
    return Node(
        nodes.propose_encoders,
        [f"{root}.sample", f"params:{root}.encoders", f"params:{root}.match"],
        {f"{stage}.{name}": f"{root}.{stage}.{name}_architecture" for stage, names in stages.items() for name in names},
        name="propose_encoders",
        namespace=NAMESPACE,
    )


def _propose_fusion_functions(root: str, modalities: Sequence[str], search: SearchParameters) -> Node:
    return Node(
        nodes.propose_fusion_functions,
        {
            "sample": f"{root}.sample",
            "functions": f"params:{root}.fusion_functions",
            "network": f"params:{root}.fusion_network",
            **{modality: f"{root}.{modality}.choice" for modality in modalities},
        },
        {name: f"{root}.{FUSION_FUNCTION}.{name}_architecture" for name in search.fusion_functions},
        name="propose",
        namespace=f"{NAMESPACE}.{FUSION_FUNCTION}",
    )


def _propose_fusion_networks(root: str, search: SearchParameters) -> Node:
    return Node(
        nodes.propose_fusion_networks,
        {
            "choice": f"{root}.{FUSION_FUNCTION}.choice",
            "network": f"params:{root}.fusion_network",
            "match": f"params:{root}.match",
        },
        {name: f"{root}.{FUSION_NETWORK}.{name}_architecture" for name in search.fusion_network.names},
        name="propose",
        namespace=f"{NAMESPACE}.{FUSION_NETWORK}",
    )


def _stage(root: str, stage: str, candidates: Sequence[str]) -> list[Node]:
    """Train each candidate from the first seeds, decide how the stage continues, finish, choose."""
    space, namespace = f"{root}.{stage}", f"{NAMESPACE}.{stage}"
    budget, selection, holdout = f"params:{root}.budget", f"params:{root}.selection", f"{root}.holdout"
    trial_inputs = [f"{root}.sample", holdout, budget, selection]
    graph = []
    for name in candidates:
        graph += [
            Node(
                nodes.train_candidate,
                [f"{space}.{name}_architecture", *trial_inputs],
                f"{space}.{name}_first",
                name=f"train_{name}",
                namespace=namespace,
                tags="trial",
            ),
            Node(
                nodes.finish_candidate,
                [f"{space}.{name}_first", f"{space}.decision", *trial_inputs],
                f"{space}.{name}_result",
                name=f"finish_{name}",
                namespace=namespace,
                tags="trial",
            ),
        ]
    first = {name: f"{space}.{name}_first" for name in candidates}
    finished = {name: f"{space}.{name}_result" for name in candidates}
    decide = {"selection": selection, "budget": budget, "holdout": holdout, **first}
    choose = {"selection": selection, "holdout": holdout, "decision": f"{space}.decision", **finished}
    return [
        *graph,
        Node(nodes.decide, decide, f"{space}.decision", name="decide", namespace=namespace),
        Node(
            nodes.choose,
            choose,
            [f"{space}.choice", f"{space}.leaderboard", f"{space}.losses"],
            name="choose",
            namespace=namespace,
        ),
    ]


def _conclude(dataset: str, root: str, stages: Sequence[str]) -> Node:
    tables = ("leaderboard", "losses")
    return Node(
        nodes.conclude,
        [f"{root}.{stages[-1]}.choice", *(f"{root}.{stage}.{table}" for table in tables for stage in stages)],
        [f"{dataset}.architecture", *(f"{dataset}.{table}" for table in tables)],
        name="conclude",
        namespace=NAMESPACE,
    )
