"""The graph from results to figures and ``{dataset}.report``."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

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


def create_pipeline(dataset: str) -> Pipeline:
    """Nodes of the namespace ``reporting``."""
    named = f"{dataset}.{{}}".format
    return Pipeline(
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
                    **{name: named(name) for name in REPORT_NEEDS},
                },
                named("report"),
                name="write_report",
                namespace=NAMESPACE,
            ),
        ]
    )
