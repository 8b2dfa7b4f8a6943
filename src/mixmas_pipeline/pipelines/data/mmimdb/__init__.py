"""MM-IMDB: a film's poster and plot, to predict its genres."""

from mixmas_pipeline.pipelines.data.mmimdb.pipeline import OPTIONAL, create_pipeline

__all__ = ["OPTIONAL", "create_pipeline"]
