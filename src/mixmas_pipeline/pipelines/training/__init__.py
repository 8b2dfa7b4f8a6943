"""Full training of the chosen architecture, and the one look at the test split."""

from mixmas_pipeline.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
