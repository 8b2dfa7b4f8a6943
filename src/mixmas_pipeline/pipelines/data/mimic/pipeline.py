"""The graph from MIMIC-III's tables, or MultiBench's pickle, to ``mimic.train``, ``.validation`` and ``.test``."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.data.mimic import extraction, nodes
from mixmas_pipeline.pipelines.data.mimic.parameters import MIMICParameters

NAMESPACE = "data.mimic"


def create_pipeline(parameters: MIMICParameters) -> Pipeline:
    """Nodes of the namespace ``data.mimic``.

    Args:
        parameters: their ``input`` decides where the graph begins.
    """
    return Pipeline([*_stays_and_events(parameters), *_tables()])


def _stays_and_events(parameters: MIMICParameters) -> list[Node]:
    """From the raw files to ``mimic.stays`` and ``mimic.events``."""
    stays, events = "mimic.stays", "mimic.events"
    if parameters.input == "im_pk":
        return [
            Node(
                nodes.read_pickle,
                ["mimic.raw_pickle", "params:mimic.labels"],
                [stays, events],
                name="read_pickle",
                namespace=NAMESPACE,
            )
        ]
    return [
        Node(
            nodes.select_stays,
            ["mimic.raw_tables", "params:mimic.cohort"],
            stays,
            name="select_stays",
            namespace=NAMESPACE,
        ),
        Node(
            extraction.extract_events,
            ["mimic.raw_tables", stays, "params:mimic.extraction"],
            [events, "mimic.extraction"],
            name="extract_events",
            namespace=NAMESPACE,
            tags="preparation",
        ),
    ]


def _tables() -> list[Node]:
    """From stays and events to an aligned table per split."""
    stays, events = "mimic.stays", "mimic.events"
    examples = {split: f"mimic.{split}_stays" for split in nodes.SPLITS}
    made_with = (events, "mimic.statistics", "params:mimic.labels", "params:mimic.source", "params:mimic.mask_as_input")
    return [
        Node(
            nodes.split_patients,
            [stays, events, "params:mimic.labels", "params:mimic.split"],
            [*examples.values(), "mimic.cohort"],
            name="split_patients",
            namespace=NAMESPACE,
        ),
        Node(
            nodes.fit_statistics,
            [examples["train"], events],
            "mimic.statistics",
            name="fit_statistics",
            namespace=NAMESPACE,
        ),
        *(
            Node(
                nodes.build_table,
                [examples[split], *made_with],
                f"mimic.{split}",
                name=f"build_{split}",
                namespace=NAMESPACE,
                tags="preparation",
            )
            for split in nodes.SPLITS
        ),
    ]
