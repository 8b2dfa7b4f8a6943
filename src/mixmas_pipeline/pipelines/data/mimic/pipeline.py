"""The graph from MIMIC-III's tables, or MultiBench's pickle, to ``mimic.train``, ``.validation`` and ``.test``."""

from __future__ import annotations

from typing import Any, get_args

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.data.mimic import extraction, nodes
from mixmas_pipeline.pipelines.data.mimic.parameters import Source

NAMESPACE = "data.mimic"
# Parameters that the graph of one source does not read, or only this module.
OPTIONAL = ("input", "cohort", "extraction")


def create_pipeline(parameters: dict[str, Any]) -> Pipeline:
    """Nodes of the namespace ``data.mimic``.

    Args:
        parameters: the section ``mimic``. Its ``input`` decides where the graph begins.

    Raises:
        ValueError: ``input`` is neither "tables" nor "im_pk".
    """
    source = parameters.get("input")
    if source not in get_args(Source):
        raise ValueError(f"mimic.input is {source!r}; expected one of {', '.join(get_args(Source))}")
    stays, events = "mimic.stays", "mimic.events"
    examples = {split: f"mimic.{split}_stays" for split in nodes.SPLITS}
    if source == "tables":
        steps = [
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
    else:
        steps = [
            Node(
                nodes.read_pickle,
                ["mimic.raw_pickle", "params:mimic.labels"],
                [stays, events],
                name="read_pickle",
                namespace=NAMESPACE,
            )
        ]
    steps += [
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
    ]
    made_with = (events, "mimic.statistics", "params:mimic.labels", "params:mimic.source", "params:mimic.mask_as_input")
    steps += [
        Node(
            nodes.build_table,
            [examples[split], *made_with],
            f"mimic.{split}",
            name=f"build_{split}",
            namespace=NAMESPACE,
            tags="preparation",
        )
        for split in nodes.SPLITS
    ]
    return Pipeline(steps)
