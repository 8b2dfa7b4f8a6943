"""Does the cheap ranking agree with the expensive one? Every combination is trained fully, and searches are judged."""

from mixmas_pipeline.pipelines.validate_search.pipeline import create_pipeline

__all__ = ["create_pipeline"]
