"""Reference models, fitted in every run: is the network better than what a user fits in a minute?"""

from mixmas_pipeline.pipelines.reference.pipeline import create_pipeline

__all__ = ["create_pipeline"]
