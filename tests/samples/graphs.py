"""The graphs and parameters of this checkout's configuration, without a Kedro session."""

from __future__ import annotations

from pathlib import Path

from kedro.pipeline import Pipeline

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.config_loader import ProjectConfigLoader
from mixmas_pipeline.settings import CONFIG_LOADER_ARGS

ROOT = Path(__file__).parents[2]


def configuration(env: str, **runtime: object) -> ProjectConfigLoader:
    """The configuration of an environment, with parameters as of ``--params``."""
    return ProjectConfigLoader(str(ROOT / "conf"), env=env, runtime_params=runtime or None, **CONFIG_LOADER_ARGS)


def pipelines(env: str, **runtime: object) -> dict[str, Pipeline]:
    """All pipelines by name."""
    pipeline_registry.use_parameters(configuration(env, **runtime)["parameters"])
    try:
        return pipeline_registry.register_pipelines()
    finally:
        pipeline_registry.use_parameters(None)
