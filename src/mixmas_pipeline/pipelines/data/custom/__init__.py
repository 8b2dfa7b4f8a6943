"""A custom data set, made from the user's table: no Python is needed."""

from mixmas_pipeline.pipelines.data.custom.defaults import DEFAULTS, complete, names
from mixmas_pipeline.pipelines.data.custom.modalities import EmbeddingParameters
from mixmas_pipeline.pipelines.data.custom.parameters import TABLE, TableParameters
from mixmas_pipeline.pipelines.data.custom.pipeline import create_pipeline, create_reading, has_layout
from mixmas_pipeline.pipelines.data.custom.sources import catalog_entries

__all__ = [
    "DEFAULTS",
    "TABLE",
    "EmbeddingParameters",
    "TableParameters",
    "catalog_entries",
    "complete",
    "create_pipeline",
    "create_reading",
    "has_layout",
    "names",
]
