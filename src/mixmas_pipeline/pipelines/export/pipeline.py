"""The graph from what the newest training has left to ``exported``. It trains nothing."""

from __future__ import annotations

from pathlib import Path

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.export import nodes

NAMESPACE = "export"
# What the card describes.
_FOUND = ("sampling", "architecture", "leaderboard", "history", "metrics", "thresholds", "predictions", "patterns")

# What was measured on the model; each is held against it by the record beside its file.
_SCORED = ("metrics.json", "thresholds.json", "predictions.parquet", "patterns.parquet")


def create_pipeline(dataset: str, parametrised: bool) -> Pipeline:
    """Nodes of the namespace ``export``.

    Args:
        parametrised: whether the parameters have the section; without it the nodes' defaults count.
    """
    named = f"{dataset}.{{}}".format
    space = named("export")
    parameters = {"export": f"params:{space}"} if parametrised else {}
    programs, report = f"{space}.programs", named("export_report")
    found = {name: named("search.sampling" if name == "sampling" else name) for name in _FOUND}
    return Pipeline(
        [
            Node(
                nodes.convert,
                {"model": named("model"), "validation": named("validation"), **parameters},
                [programs, report],
                name="convert",
                namespace=NAMESPACE,
                tags="training",  # takes as many cores, so that nothing else runs while times are measured
            ),
            Node(
                nodes.assemble,
                {
                    **{name: named(name) for name in ("model", "train", "validation")},
                    "record": named("training.record"),
                    **{f"{Path(file).stem}_record": named(f"training.record.{file}") for file in _SCORED},
                    "programs": programs,
                    "report": report,
                    **found,
                    **parameters,
                },
                named("exported"),
                name="assemble",
                namespace=NAMESPACE,
                tags="training",
            ),
        ]
    )
