"""Does the cheap ranking agree with the expensive one? Every combination is trained fully, and searches are judged."""

from mixmas_pipeline.pipelines.validate_search.pipeline import create_pipeline
from mixmas_pipeline.pipelines.validate_search.space import count

__all__ = ["count", "create_pipeline"]
