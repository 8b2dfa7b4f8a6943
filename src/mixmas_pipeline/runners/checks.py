"""Checks of a pipeline before its first node runs."""

from __future__ import annotations

from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from mixmas_pipeline.datasets.atomic import AtomicDataset


def check_inputs_exist(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Check that the inputs which other pipelines make exist.

    Raises:
        DatasetError: names the first missing one, and the pipeline that makes all of them.
    """
    datasets = {name: catalog.get(name) for name in sorted(pipeline.inputs())}
    missing = {name: d for name, d in datasets.items() if isinstance(d, AtomicDataset) and not d.exists()}
    for name, dataset in missing.items():
        maker = _maker(set(missing)) or _maker({name})
        remedy = f"; kedro run --pipelines={maker} makes it (with the same --env)" if maker else ""
        raise DatasetError(f"{name} does not exist: nothing in {dataset._describe()['filepath']}{remedy}")


def check_outputs_are_kept(pipeline: Pipeline, nodes: list[Node], catalog: CatalogProtocol, remedy: str) -> None:
    """Check that what the given nodes exchange with others is kept on disk: memory is not shared between processes.

    Args:
        nodes: those that may run in other processes.
        remedy: another way out, added to the message.

    Raises:
        ValueError: names the data sets that live in memory only.
    """
    exchanged = {name for node in nodes for name in (*node.inputs, *node.outputs)} & pipeline.all_outputs()
    if in_memory := sorted(name for name in exchanged if getattr(catalog.get(name), "_EPHEMERAL", False)):
        raise ValueError(
            f"{', '.join(in_memory)}: kept in memory only, which other processes cannot read. Add an entry to the "
            f"catalog for each{remedy}"
        )


def _maker(names: set[str]) -> str | None:
    """The name of the smallest pipeline that makes all these data sets; None if none does."""
    from kedro.framework.project import pipelines

    makers = {name: len(pipeline.nodes) for name, pipeline in pipelines.items() if names <= pipeline.all_outputs()}
    return min(makers, key=lambda name: makers[name], default=None)
