"""Kedro hooks: parameters to the registry, lock on the data root, tracking, and the tables that end a run."""

from __future__ import annotations

from kedro.pipeline import Pipeline


def data_sets(pipeline: Pipeline) -> list[str]:
    """The data sets that a pipeline works on, sorted: the first words of its outputs' names."""
    return sorted({name.split(".")[0] for name in pipeline.all_outputs()})
