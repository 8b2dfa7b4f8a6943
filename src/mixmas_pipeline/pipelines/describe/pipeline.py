"""The graph from the aligned tables and the search's parameters to ``description``, ``findings`` and ``estimate``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.describe import nodes

NAMESPACE = "describe"
_SPLITS = "train", "validation", "test"


def create_pipeline(dataset: str, has_rows: bool = False) -> Pipeline:
    """Nodes of the namespace ``describe``.

    Args:
        has_rows: the tables were made from ``{dataset}.data.{split}_rows``, rows of a file. Default false.
    """
    named = f"{dataset}.{{}}".format
    space = named("describe")
    search, training = f"params:{named('search')}", f"params:{named('training')}"
    parts = [f"{space}.{part}" for part in ("tables", "duplicates", "leaks", "plan")]
    return Pipeline(
        [
            _check(nodes.measure_tables, dataset),
            *_cheap_checks(dataset, has_rows),
            Node(
                nodes.plan_search,
                [named("train"), search, training],
                f"{space}.plan",
                name="plan_search",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.conclude,
                [*parts, f"{space}.cells"] if has_rows else parts,
                [named("description"), named("findings"), named("balance_figure")],
                name="conclude",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.estimate_cost,
                [named("train"), named("validation"), f"{space}.plan", search, training, "params:compute"],
                named("estimate"),
                name="estimate_cost",
                namespace=NAMESPACE,
                tags="training",  # alone on the machine: it measures seconds
            ),
            Node(
                nodes.write_page,
                [named("description"), named("estimate"), named("balance_figure")],
                named("description_page"),
                name="write_page",
                namespace=NAMESPACE,
            ),
        ]
    )


def create_checks(dataset: str) -> Pipeline:
    """The checks that take seconds, for every run of a data set that was made from rows of a file."""
    space = f"{dataset}.describe"
    found = [f"{space}.{part}" for part in ("duplicates", "leaks", "cells")]
    report = Node(nodes.report_checks, found, f"{dataset}.checks", name="report_checks", namespace=NAMESPACE)
    return Pipeline([*_cheap_checks(dataset, has_rows=True), report])


def _cheap_checks(dataset: str, has_rows: bool) -> list[Node]:
    """What gives labels away, and rows that are there twice; of rows of a file also their cells."""
    checks = [_check(nodes.find_duplicates, dataset), _check(nodes.find_leaks, dataset)]
    if has_rows:
        rows = [f"{dataset}.data.{split}_rows" for split in _SPLITS]
        inputs, cells = [*rows, f"params:{dataset}.table"], f"{dataset}.describe.cells"
        checks.append(Node(nodes.measure_cells, inputs, cells, name="measure_cells", namespace=NAMESPACE))
    return checks


def _check(check: Callable[..., Any], dataset: str) -> Node:
    """A node that reads the three splits."""
    splits = [f"{dataset}.{split}" for split in _SPLITS]
    part = f"{dataset}.describe.{check.__name__.partition('_')[2]}"
    return Node(check, splits, part, name=check.__name__, namespace=NAMESPACE, tags="preparation")
