"""The search graph of one data set, made from its search space: one node a candidate.

sample -> propose_encoders -> [modality]: train_* -> decide -> finish_* -> choose
       -> [fusion_function]: propose -> train_* -> ... -> choose
       -> [fusion_network]:  propose -> train_* -> ... -> choose -> conclude
"""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.parameters import SearchParameters

NAMESPACE = "search"


def create_pipeline(dataset: str, search: SearchParameters) -> Pipeline:
    """Nodes of the namespace ``search``.

    Args:
        dataset: its table is ``{dataset}.train``.
        search: the space; it decides which nodes there are.
    """
    root = f"{dataset}.search"
    parameters = f"params:{root}"
    sample, holdout = f"{root}.sample", f"{root}.holdout"
    modalities = list(search.encoders)
    stages: dict[str, Sequence[str]] = {modality: stage.names for modality, stage in search.encoders.items()}
    proposals = {f"{m}.{c}": f"{root}.{m}.{c}_architecture" for m, names in stages.items() for c in names}
    graph = [
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
            [sample, holdout, f"{root}.sampling"],
            name="sample",
            namespace=NAMESPACE,
        ),
        Node(
            nodes.propose_encoders,
            [sample, f"{parameters}.encoders", f"{parameters}.match"],
            proposals,
            name="propose_encoders",
            namespace=NAMESPACE,
        ),
    ]
    for modality, names in stages.items():
        graph += _stage(root, modality, names)
    last = modalities[0]
    if len(modalities) > 1:
        for stage, names, propose, inputs in (
            (
                nodes.FUSION_FUNCTION,
                search.fusion_functions,
                nodes.propose_fusion_functions,
                {
                    "sample": sample,
                    "functions": f"{parameters}.fusion_functions",
                    "network": f"{parameters}.fusion_network",
                    **{m: f"{root}.{m}.choice" for m in modalities},
                },
            ),
            (
                nodes.FUSION_NETWORK,
                search.fusion_network.names,
                nodes.propose_fusion_networks,
                {
                    "choice": f"{root}.{nodes.FUSION_FUNCTION}.choice",
                    "network": f"{parameters}.fusion_network",
                    "match": f"{parameters}.match",
                },
            ),
        ):
            outputs = {name: f"{root}.{stage}.{name}_architecture" for name in names}
            graph.append(Node(propose, inputs, outputs, name="propose", namespace=f"{NAMESPACE}.{stage}"))
            graph += _stage(root, stage, names)
            stages[stage] = names
            last = stage
    tables = ("leaderboard", "losses")
    graph.append(
        Node(
            nodes.conclude,
            [f"{root}.{last}.choice", *(f"{root}.{stage}.{table}" for table in tables for stage in stages)],
            [f"{dataset}.architecture", *(f"{dataset}.{table}" for table in tables)],
            name="conclude",
            namespace=NAMESPACE,
        )
    )
    return Pipeline(graph)


def _stage(root: str, stage: str, names: Sequence[str]) -> list[Node]:
    """Train every candidate with the first seeds, decide how the stage goes on, finish, choose."""
    space, namespace = f"{root}.{stage}", f"{NAMESPACE}.{stage}"
    parameters = f"params:{root}"
    sample, holdout = f"{root}.sample", f"{root}.holdout"
    budget, selection = f"{parameters}.budget", f"{parameters}.selection"
    graph = []
    for name in names:
        graph.append(
            Node(
                nodes.train_candidate,
                [f"{space}.{name}_architecture", sample, holdout, budget, selection],
                f"{space}.{name}_first",
                name=f"train_{name}",
                namespace=namespace,
                tags="trial",
            )
        )
        graph.append(
            Node(
                nodes.finish_candidate,
                [f"{space}.{name}_first", f"{space}.decision", sample, holdout, budget, selection],
                f"{space}.{name}_result",
                name=f"finish_{name}",
                namespace=namespace,
                tags="trial",
            )
        )
    graph.append(
        Node(
            nodes.decide,
            {
                "selection": selection,
                "budget": budget,
                "holdout": holdout,
                **{name: f"{space}.{name}_first" for name in names},
            },
            f"{space}.decision",
            name="decide",
            namespace=namespace,
        )
    )
    graph.append(
        Node(
            nodes.choose,
            {
                "selection": selection,
                "holdout": holdout,
                "decision": f"{space}.decision",
                **{name: f"{space}.{name}_result" for name in names},
            },
            [f"{space}.choice", f"{space}.leaderboard", f"{space}.losses"],
            name="choose",
            namespace=namespace,
        )
    )
    return graph
