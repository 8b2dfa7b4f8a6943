"""Project hooks: hand the parameters to the pipeline registry, and end a run by showing what it found."""

from __future__ import annotations

from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from mixmas_pipeline import pipeline_registry

_SHOWN = ("architecture", "leaderboard", "metrics", "comparison", "agreement", "agreement_summary")


class ProjectHooks:
    """Installed by ``settings.HOOKS``."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """The search space decides the graph, and only the context knows ``--env`` and ``--params``."""
        pipeline_registry.use_parameters(context.config_loader["parameters"])

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Print the chosen architecture, the leaderboards and the scores of what has just been run."""
        from mixmas_pipeline.summary import print_summary

        outputs = pipeline.all_outputs()
        for dataset in sorted({name.split(".")[0] for name in outputs}):
            present = {kind: catalog.load(f"{dataset}.{kind}") for kind in _SHOWN if f"{dataset}.{kind}" in outputs}
            if (sampling := f"{dataset}.search.sampling") in outputs:
                present["sampling"] = catalog.load(sampling)
            if (report := f"{dataset}.report") in outputs:
                present["report"] = catalog.get(report)._get_load_path()
            print_summary(dataset, **present)
