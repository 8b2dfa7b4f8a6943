"""The project's configuration as it is read from ``conf``: with what own data sets leave to the defaults, and with the
files that they name in the catalog. Whoever reads it, a run, a notebook or kedro-viz, sees the same."""

from __future__ import annotations

from typing import Any

from kedro.config import OmegaConfigLoader

from mixmas_pipeline.pipelines.data import custom as own


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, whose parameters are complete, those of ``--params`` included, and whose catalog has what they
    name. What a catalog file says of the same data set counts more."""

    def __getitem__(self, key: str) -> dict[str, Any]:
        found = super().__getitem__(key)
        if key == "parameters":
            return own.complete(found)
        if key == "catalog":
            return {**own.catalog_entries(self["parameters"]), **found}
        return found
