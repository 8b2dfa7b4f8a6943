"""The search: from an aligned table to an architecture. It knows of no particular data set."""

from mixmas_pipeline.pipelines.search.pipeline import create_pipeline

__all__ = ["create_pipeline"]
