"""What is in a data set, what is wrong with it, and what a search of it will take: before anything is searched."""

from mixmas_pipeline.pipelines.describe.pipeline import create_pipeline

__all__ = ["create_pipeline"]
