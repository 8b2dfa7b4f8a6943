"""Before a search: what a data set holds, what is wrong with it, and how long the search will take."""

from mixmas_pipeline.pipelines.describe.pipeline import create_checks, create_pipeline

__all__ = ["create_checks", "create_pipeline"]
