"""The graph from a file of rows and the newest model to ``predicted``. It trains nothing."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.predict import nodes
from mixmas_pipeline.pipelines.reference.chosen import model_inputs
from mixmas_pipeline.pipelines.reference.parameters import ModelChoice

NAMESPACE = "predict"


def create_pipeline(
    dataset: str, reading: Pipeline | None = None, choice: ModelChoice = "searched", kinds: Sequence[str] = ()
) -> Pipeline:
    """Nodes of the namespace ``predict``.

    Args:
        reading: makes ``{dataset}.predict.rows`` from the file. Default: the file has arrays in the stored types.
        choice: of the model.
        kinds: of the references that are fitted.
    """
    named = f"{dataset}.{{}}".format
    space = named("predict")
    results = [named(name) for name in ("predicted", "contributions", "prediction_summary")]
    if reading is None:
        inputs = [f"{space}.file", named("train")]
        reading = Pipeline(
            [Node(nodes.read_new_rows, inputs, f"{space}.rows", name="read_new_rows", namespace=NAMESPACE)]
        )
    thresholds = {"thresholds": named("thresholds")} if choice in ("searched", "recommended") else {}
    return reading + Pipeline(
        [
            Node(
                nodes.predict_new_rows,
                {"rows": f"{space}.rows", **thresholds, **model_inputs(dataset, choice, kinds)},
                results,
                name="predict_new_rows",
                namespace=NAMESPACE,
                tags="training",  # it uses as many cores
            ),
            Node(
                nodes.draw_contributions,
                [named("contributions"), named("prediction_summary")],
                named("contributions_figure"),
                name="draw_contributions",
                namespace=NAMESPACE,
            ),
        ]
    )
