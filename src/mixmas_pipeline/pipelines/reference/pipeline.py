"""The graph of the reference models. It needs the tables only, and neither search nor training.

train -> fit_linear, fit_trees; train and validation -> refit_linear, refit_trees; all -> score_references
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.reference import nodes

NAMESPACE = "reference"
_FITS: dict[str, Callable[..., Any]] = {
    "linear": nodes.fit_linear,
    "linear_refitted": nodes.refit_linear,
    "trees": nodes.fit_trees,
    "trees_refitted": nodes.refit_trees,
}


def create_pipeline(dataset: str, kinds: Sequence[str]) -> Pipeline:
    """Nodes of the namespace ``reference``; none without a kind.

    Args:
        kinds: "linear", "trees" or both.
    """
    if not kinds:
        return Pipeline([])
    named = f"{dataset}.{{}}".format
    parameters = {"reference": f"params:{named('reference')}"}
    balance = {"balance": f"params:{named('training.balance')}"}
    models = {name: named(f"reference.{name}") for name in _FITS if name.partition("_")[0] in kinds}
    splits = {name: named(name) for name in ("train", "validation", "test")}
    metric = {"metric": f"params:{named('training.metric')}"}
    fits = []
    for name, output in models.items():
        rows = {"train": splits["train"]} | ({"validation": splits["validation"]} if "_" in name else {})
        function = _FITS[name]
        fits.append(
            Node(
                function,
                rows | parameters | balance | metric,
                output,
                name=function.__name__,
                namespace=NAMESPACE,
                tags="trial",
            )
        )
    return Pipeline(
        [
            *fits,
            Node(
                nodes.score_references,
                {"validation": splits["validation"], "test": splits["test"], **parameters, **metric, **models},
                [named("references"), named("reference.logits")],
                name="score_references",
                namespace=NAMESPACE,
                tags="trial",
            ),
        ]
    )
