"""MixMAS as a Kedro project: finds, trains and explains all-MLP fusion architectures."""

__version__ = "0.1.0"
