"""The graph from results to figures and ``{dataset}.report``."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.reference.nodes import give_verdict
from mixmas_pipeline.pipelines.reporting import nodes

NAMESPACE = "reporting"
MODEL_FIGURES = ("history_figure", "heads_figure", "confusion_figure", "calibration_figure")
# What the report reads besides, under the data set's own names for it.
REPORT_NEEDS = (
    "architecture",
    "leaderboard",
    "metrics",
    "class_scores",
    "patterns",
    "examples",
    "architecture_drawing",
    "train",
    "leaderboard_figure",
    "candidate_curves",
    *MODEL_FIGURES,
    "class_figure",
    "patterns_figure",
)


# What it reads of the reference models, if there are any.
REFERENCE_NEEDS = ("verdict", "references", "references_figure")


def create_pipeline(dataset: str, with_references: bool) -> Pipeline:
    """Nodes of the namespace ``reporting``.

    Args:
        with_references: whether the run fits reference models: then there is a verdict.
    """
    named = f"{dataset}.{{}}".format
    needs = (*REPORT_NEEDS, *(REFERENCE_NEEDS if with_references else ()))
    return (_verdict(dataset) if with_references else Pipeline([])) + Pipeline(
        [
            Node(nodes.draw_examples, named("train"), named("examples"), name="draw_examples", namespace=NAMESPACE),
            Node(
                nodes.draw_architecture,
                named("architecture"),
                named("architecture_drawing"),
                name="draw_architecture",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.draw_search,
                [named("leaderboard"), named("losses"), f"params:{named('search.selection')}"],
                [named("leaderboard_figure"), named("candidate_curves")],
                name="draw_search",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.draw_model,
                list(map(named, ("history", "metrics", "predictions", "thresholds", "architecture"))),
                [*map(named, MODEL_FIGURES), named("class_scores"), named("class_figure")],
                name="draw_model",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.draw_mistakes,
                named("mistakes"),
                named("mistakes_picture"),
                name="draw_mistakes",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.draw_patterns,
                named("patterns"),
                named("patterns_figure"),
                name="draw_patterns",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.write_report,
                {
                    "settings": named("search.settings"),
                    "sampling": named("search.sampling"),
                    "mistakes": named("mistakes_picture"),
                    **{name: named(name) for name in needs},
                },
                named("report"),
                name="write_report",
                namespace=NAMESPACE,
            ),
        ]
    )


def _verdict(dataset: str) -> Pipeline:
    named = f"{dataset}.{{}}".format
    inputs = {name: named(name) for name in ("test", "metrics", "predictions", "references")}
    return Pipeline(
        [
            Node(
                give_verdict,
                {**inputs, "logits": named("reference.logits"), "reference": f"params:{named('reference')}"},
                named("verdict"),
                name="give_verdict",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.draw_references,
                [named("references"), named("verdict")],
                named("references_figure"),
                name="draw_references",
                namespace=NAMESPACE,
            ),
        ]
    )
