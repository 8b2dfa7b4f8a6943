"""The trained model as a folder for use without this project: weights, ONNX, torch.export, model card."""

from mixmas_pipeline.pipelines.export.pipeline import create_pipeline

__all__ = ["create_pipeline"]
