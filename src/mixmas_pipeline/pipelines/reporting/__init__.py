"""Results as figures, tables and one self-contained page."""

from mixmas_pipeline.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
