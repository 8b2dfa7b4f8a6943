"""MIMIC-III: the first 24 hours of an intensive-care stay as 12 hourly series and 5 static values."""

from mixmas_pipeline.pipelines.data.mimic.pipeline import create_pipeline

__all__ = ["create_pipeline"]
