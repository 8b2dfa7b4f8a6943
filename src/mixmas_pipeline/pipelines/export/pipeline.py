"""The graph from the newest model and the results about it to ``exported``. It trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.export import nodes
from mixmas_pipeline.pipelines.reference.chosen import model_inputs, reference_records
from mixmas_pipeline.pipelines.reference.parameters import ModelChoice

NAMESPACE = "export"
# What the card describes.
_RESULTS = ("sampling", "architecture", "leaderboard", "history", "metrics", "thresholds", "predictions", "patterns")

# Files of results that were measured on the model. The records beside them name the model.
_MEASURED = ("metrics.json", "thresholds.json", "predictions.parquet", "patterns.parquet")


def create_pipeline(dataset: str, choice: ModelChoice = "searched", kinds: Sequence[str] = ()) -> Pipeline:
    """Nodes of the namespace ``export``.

    Args:
        choice: of the model.
        kinds: of the references that are fitted.
    """
    named = f"{dataset}.{{}}".format
    space = named("export")
    parameters = {"export": f"params:{space}"}
    programs, report = f"{space}.programs", named("export_report")
    model = model_inputs(dataset, choice, kinds)
    return Pipeline(
        [
            Node(
                nodes.convert,
                {"validation": named("validation"), **model, **parameters},
                [programs, report],
                name="convert",
                namespace=NAMESPACE,
                tags="training",  # it uses as many cores, so that nothing else runs while times are measured
            ),
            Node(
                nodes.assemble,
                {
                    **{name: named(name) for name in ("train", "validation")},
                    "programs": programs,
                    "report": report,
                    **model,
                    **_results(dataset, choice, kinds),
                    **parameters,
                },
                named("exported"),
                name="assemble",
                namespace=NAMESPACE,
                tags="training",
            ),
        ]
    )


def _results(dataset: str, choice: ModelChoice, kinds: Sequence[str]) -> dict[str, str]:
    """What the card describes: argument -> data set."""
    named = f"{dataset}.{{}}".format
    results: dict[str, str] = {}
    if choice in ("searched", "recommended"):
        results |= {name: named("search.sampling" if name == "sampling" else name) for name in _RESULTS}
        results |= {"record": named("training.record")}
        results |= {f"{Path(file).stem}_record": named(f"training.record.{file}") for file in _MEASURED}
    if choice != "searched":
        fitted = kinds if choice == "recommended" else [choice]
        results |= {"references": named("references"), **reference_records(dataset, fitted)}
    return results
