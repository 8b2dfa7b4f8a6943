"""The project's configuration: Kedro's, with the defaults of what ``conf`` leaves out, and with the files that custom
data sets name in the catalog. A run, a notebook and kedro-viz see the same."""

from __future__ import annotations

from typing import Any

from kedro.config import OmegaConfigLoader

from mixmas_pipeline.pipelines import data_sets
from mixmas_pipeline.pipelines.data import custom
from mixmas_pipeline.runners.resources import ComputeParameters

ARGUMENTS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment says only what differs: nested parameters are merged, not replaced.
    "merge_strategy": {"parameters": "soft"},
}


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, whose parameters are complete, including ``--params``, and whose catalog has the files that they
    name. An entry of a catalog file takes precedence over such a file."""

    def __getitem__(self, key: str) -> dict[str, Any]:
        configuration = super().__getitem__(key)
        if key == "parameters":
            return complete(configuration)
        if key == "catalog":
            return {**custom.catalog_entries(self["parameters"]), **configuration}
        return configuration


def complete(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the default of every key that is left out."""
    compute = data_sets.with_defaults(ComputeParameters, parameters.get("compute"))
    return {**data_sets.complete(parameters), **({} if compute is None else {"compute": compute})}
