"""The graphs and parameters of this checkout's configuration, without a Kedro session."""

from __future__ import annotations

from pathlib import Path

from kedro.io import DataCatalog, MemoryDataset
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


def check_outputs(pipeline: Pipeline, config: ProjectConfigLoader) -> None:
    """Every output is in the catalog and versioned."""
    catalog = DataCatalog.from_config(config["catalog"])
    for name in pipeline.all_outputs():
        dataset = catalog.get(name)
        assert dataset is not None, f"{name} is not in the catalog"
        assert not isinstance(dataset, MemoryDataset), f"{name} would live in memory only"
        assert dataset._version is not None, f"{name} is not versioned"


def check_inputs(pipeline: Pipeline, config: ProjectConfigLoader) -> None:
    """Every input is a parameter, or in the catalog."""
    catalog, parameters = DataCatalog.from_config(config["catalog"]), config["parameters"]  # each is read anew
    for name in pipeline.inputs():
        if name.startswith("params:"):
            value = parameters
            for key in name.removeprefix("params:").split("."):
                value = value[key]
        else:
            assert catalog.get(name) is not None, name
