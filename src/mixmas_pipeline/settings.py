"""Kedro settings of the project."""

from mixmas_pipeline.config_loader import ARGUMENTS, ProjectConfigLoader
from mixmas_pipeline.hooks.data_root import DataRootHooks
from mixmas_pipeline.hooks.project import ProjectHooks
from mixmas_pipeline.hooks.recording import RecordingHooks
from mixmas_pipeline.hooks.tracking import TrackingHooks
from mixmas_pipeline.session import ReusingSession

HOOKS = (ProjectHooks(), TrackingHooks(), DataRootHooks(), RecordingHooks())
SESSION_CLASS = ReusingSession
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = ARGUMENTS
