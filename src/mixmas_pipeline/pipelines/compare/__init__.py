"""The searched architecture against a fixed baseline and each modality alone, trained and tuned alike."""

from mixmas_pipeline.pipelines.compare.pipeline import create_pipeline

__all__ = ["create_pipeline"]
