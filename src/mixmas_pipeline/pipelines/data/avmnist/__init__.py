"""AV-MNIST: pictures of digits paired with spoken digits, both made harder."""

from mixmas_pipeline.pipelines.data.avmnist.pipeline import create_pipeline

__all__ = ["create_pipeline"]
