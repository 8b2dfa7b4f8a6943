"""The graph from the newest training's results to ``exported``. It trains nothing."""

from __future__ import annotations

from pathlib import Path

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.export import nodes

NAMESPACE = "export"
# What the card describes.
_RESULTS = ("sampling", "architecture", "leaderboard", "history", "metrics", "thresholds", "predictions", "patterns")

# Files of results that were measured on the model. The records beside them name the model.
_MEASURED = ("metrics.json", "thresholds.json", "predictions.parquet", "patterns.parquet")


def create_pipeline(dataset: str) -> Pipeline:
    """Nodes of the namespace ``export``."""
    named = f"{dataset}.{{}}".format
    space = named("export")
    parameters = {"export": f"params:{space}"}
    programs, report = f"{space}.programs", named("export_report")
    results = {name: named("search.sampling" if name == "sampling" else name) for name in _RESULTS}
    return Pipeline(
        [
            Node(
                nodes.convert,
                {"model": named("model"), "validation": named("validation"), **parameters},
                [programs, report],
                name="convert",
                namespace=NAMESPACE,
                tags="training",  # it uses as many cores, so that nothing else runs while times are measured
            ),
            Node(
                nodes.assemble,
                {
                    **{name: named(name) for name in ("model", "train", "validation")},
                    "record": named("training.record"),
                    **{f"{Path(file).stem}_record": named(f"training.record.{file}") for file in _MEASURED},
                    "programs": programs,
                    "report": report,
                    **results,
                    **parameters,
                },
                named("exported"),
                name="assemble",
                namespace=NAMESPACE,
                tags="training",
            ),
        ]
    )
