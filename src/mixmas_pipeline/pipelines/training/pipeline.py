"""The graph from architecture and tables to ``model``, ``metrics`` and ``predictions``."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.training import evaluation, nodes

NAMESPACE = "training"


def create_pipeline(dataset: str) -> Pipeline:
    """Nodes of the namespace ``training``."""
    named = f"{dataset}.{{}}".format
    space = named("training")
    return Pipeline(
        [
            Node(
                nodes.train_model,
                [
                    named("architecture"),
                    named("train"),
                    named("validation"),
                    f"params:{space}",
                    "params:checkpoints",
                ],
                [named("model"), named("history"), named("held_out")],
                name="train_model",
                namespace=NAMESPACE,
                tags="training",
            ),
            Node(
                evaluation.evaluate_model,
                [
                    named("model"),
                    named("held_out"),
                    named("train"),
                    named("validation"),
                    named("test"),
                    f"params:{space}",
                ],
                [named(name) for name in ("metrics", "thresholds", "predictions", "mistakes", "patterns")],
                name="evaluate_model",
                namespace=NAMESPACE,
                tags="training",
            ),
        ]
    )
