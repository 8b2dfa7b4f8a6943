"""Does the cheap ranking agree with the expensive one? Each combination is trained fully and compared with searches."""

from mixmas_pipeline.pipelines.validate_search.pipeline import create_pipeline
from mixmas_pipeline.pipelines.validate_search.space import count

__all__ = ["count", "create_pipeline"]
