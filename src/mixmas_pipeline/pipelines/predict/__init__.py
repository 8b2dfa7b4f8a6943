"""A trained model's predictions for new rows, and each modality's contribution to them."""

from mixmas_pipeline.pipelines.predict.pipeline import create_pipeline

__all__ = ["create_pipeline"]
