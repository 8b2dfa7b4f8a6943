"""The graph from a file of rows and the newest trained model to ``predicted``. It trains nothing."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.predict import nodes

NAMESPACE = "predict"


def create_pipeline(dataset: str, reading: Pipeline | None = None) -> Pipeline:
    """Nodes of the namespace ``predict``.

    Args:
        reading: makes ``{dataset}.predict.rows`` from the file. Default: the file has arrays in the stored types.
    """
    named = f"{dataset}.{{}}".format
    space = named("predict")
    results = [named(name) for name in ("predicted", "contributions", "prediction_summary")]
    if reading is None:
        inputs = [f"{space}.file", named("train")]
        reading = Pipeline(
            [Node(nodes.read_new_rows, inputs, f"{space}.rows", name="read_new_rows", namespace=NAMESPACE)]
        )
    return reading + Pipeline(
        [
            Node(
                nodes.predict_new_rows,
                [f"{space}.rows", named("model"), named("thresholds")],
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
