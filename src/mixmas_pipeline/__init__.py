"""MixMAS as a Kedro project: finds, trains and explains all-MLP fusion architectures."""

from mixmas_pipeline.utils.imported_sources import keep_sources

__version__ = "0.1.0"

keep_sources(__name__)
