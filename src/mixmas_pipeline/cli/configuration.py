"""A project's configuration without a session: a session's catalog would import torch."""

from __future__ import annotations

import os

from kedro.config import AbstractConfigLoader
from kedro.framework.startup import ProjectMetadata


def load_configuration(metadata: ProjectMetadata, env: str | None) -> AbstractConfigLoader:
    """The configuration of an environment.

    Args:
        env: default: the variable ``KEDRO_ENV``, else Kedro's default.
    """
    from kedro.framework.project import settings

    source = str(metadata.project_path / settings.CONF_SOURCE)
    environment = env or os.environ.get("KEDRO_ENV")
    return settings.CONFIG_LOADER_CLASS(source, env=environment, **settings.CONFIG_LOADER_ARGS)
