"""The project's configuration as it is read from ``conf``: with what own data sets leave to the defaults, and with the
files that they name in the catalog. Whoever reads it, a run, a notebook or kedro-viz, sees the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

from mixmas_pipeline.pipelines.data import custom as own
from mixmas_pipeline.storage.locks import data_root
from mixmas_pipeline.storage.retention import checkpoint_folder


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, whose parameters are complete, those of ``--params`` included, and whose catalog has what they
    name. What a catalog file says of the same data set counts more.

    The parameter ``checkpoints`` is the folder in the data root, as an absolute path or a URL, that interrupted nodes
    resume from. They get it as a parameter, since it is no data of theirs.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        found = super().__getitem__(key)
        if key == "parameters":
            root = data_root(self["globals"], Path(self.conf_source).absolute().parent)
            return {**own.complete(found), "checkpoints": str(checkpoint_folder(root))}
        if key == "catalog":
            return {**own.catalog_entries(self["parameters"]), **found}
        return found
