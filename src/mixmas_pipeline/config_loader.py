"""The project's configuration: Kedro's, with the defaults of what ``conf`` leaves out, and with the files that custom
data sets name in the catalog. A run, a notebook and kedro-viz see the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

from mixmas_pipeline.pipelines import data_sets
from mixmas_pipeline.pipelines.data import custom
from mixmas_pipeline.storage.locks import data_root
from mixmas_pipeline.storage.retention import checkpoint_folder
from mixmas_pipeline.utils.resources import ComputeParameters

ARGUMENTS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment says only what differs: nested parameters are merged, not replaced.
    "merge_strategy": {"parameters": "soft"},
}


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, whose parameters are complete, including ``--params``, and whose catalog has the files that they
    name. An entry of a catalog file takes precedence over such a file.

    The parameter ``checkpoints`` is the folder in the data root, as an absolute path or a URL, that interrupted nodes
    resume from. They get it as a parameter, since it is no data of theirs.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        configuration = super().__getitem__(key)
        if key == "parameters":
            root = data_root(self["globals"], Path(self.conf_source).absolute().parent)
            return {**complete(configuration), "checkpoints": str(checkpoint_folder(root))}
        if key == "catalog":
            return {**custom.catalog_entries(self["parameters"]), **configuration}
        return configuration

    @staticmethod
    def _soft_merge(config: dict[str, Any], env_config: dict[str, Any], env_path: str | None = None) -> Any:
        """As Kedro's, but without copying the whole configuration where the environment changes nothing."""
        return OmegaConfigLoader._soft_merge(config, env_config, env_path) if env_config else config


def complete(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the default of every key that is left out."""
    compute = data_sets.with_defaults(ComputeParameters, parameters.get("compute"))
    return {**data_sets.complete(parameters), **({} if compute is None else {"compute": compute})}
