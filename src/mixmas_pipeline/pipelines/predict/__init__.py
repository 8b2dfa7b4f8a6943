"""A trained model's predictions for new rows, and what they rest on."""

from mixmas_pipeline.pipelines.predict.pipeline import create_pipeline

__all__ = ["create_pipeline"]
