"""A data set of the user's own, from a table: no Python is needed."""

from mixmas_pipeline.pipelines.data.custom.defaults import OWN, TABLE, complete, own_names
from mixmas_pipeline.pipelines.data.custom.pipeline import create_pipeline, create_reading, has_layout
from mixmas_pipeline.pipelines.data.custom.sources import catalog_entries

__all__ = [
    "OWN",
    "TABLE",
    "catalog_entries",
    "complete",
    "create_pipeline",
    "create_reading",
    "has_layout",
    "own_names",
]
