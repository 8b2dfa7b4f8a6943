"""MM-IMDB: a film's poster and plot, to predict its genres."""

from mixmas_pipeline.pipelines.data.mmimdb.pipeline import create_pipeline

__all__ = ["create_pipeline"]
