"""Kedro settings of the project."""

from typing import Any

from mixmas_pipeline.config_loader import ProjectConfigLoader
from mixmas_pipeline.hooks.data_root import DataRootHooks
from mixmas_pipeline.hooks.project import ProjectHooks
from mixmas_pipeline.hooks.tracking import TrackingHooks
from mixmas_pipeline.session import ReusingSession

HOOKS = (ProjectHooks(), TrackingHooks(), DataRootHooks())
SESSION_CLASS = ReusingSession
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment holds only what differs: nested parameters are merged, not replaced.
    "merge_strategy": {"parameters": "soft"},
}
