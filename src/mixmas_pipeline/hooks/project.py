"""The hook that gives parameters to the pipelines and the catalog, and ends a run with its tables."""

from __future__ import annotations

import logging
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from mixmas_pipeline.hooks import data_sets
from mixmas_pipeline.utils.logs import log_lines

_log = logging.getLogger(__name__)


class ProjectHooks:
    """Pass parameters on, log the data set, print the summary."""

    def __init__(self) -> None:
        self._own: list[str] = []  # data sets that may have been forgotten

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Pass the parameters to the registry: the search space decides the graph, and only the context knows ``--env``
        and ``--params``."""
        from mixmas_pipeline import pipeline_registry  # it imports every pipeline

        log_lines()
        parameters = context.config_loader["parameters"]
        pipeline_registry.use_parameters(parameters)
        named = "dataset" in (context.config_loader.runtime_params or {})  # with --params, so on purpose
        self._own = [] if named else pipeline_registry.own_data_sets_not_chosen(parameters)

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol, parameters: dict[str, Any]) -> None:
        """Add the file of rows to predict. It is a parameter, so that ``--params`` can name it; a catalog cannot read
        parameters."""
        from mixmas_pipeline.datasets.rows_file import RowsFileDataset

        dataset = parameters["params:dataset"]
        rows = parameters.get(f"params:{dataset}.predict.rows")
        if isinstance(rows, str):
            file = RowsFileDataset(filepath=rows, key=f"{dataset}.predict.rows")
            catalog[f"{dataset}.predict.file"] = file  # type: ignore[index]

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Log the data set: the nodes' names do not have it. Warn if the user's own may have been forgotten."""
        found = data_sets(pipeline)
        _log.info("Data set: %s", ", ".join(found))
        if self._own and not set(self._own) & set(found):
            _log.warning(
                "This run does not use your data set %s. To use it, set dataset: %s in conf/local/parameters.yml",
                ", ".join(self._own),
                self._own[0],
            )

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """End the run with its tables."""
        from mixmas_pipeline.hooks.summary import summarise  # it imports pandas

        summarise(pipeline, catalog)
