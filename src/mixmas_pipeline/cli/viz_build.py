"""The graph with its previews as a folder of static files, which asks nothing of any other server.

``kedro viz build`` makes such a folder too, of the environment that ``KEDRO_ENV`` names alone, and its page asks Google
for a font: without a network a browser may wait long for it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from pathlib import Path
from typing import Any

FOLDER = "build"  # of kedro viz build
_ELSEWHERE = re.compile(r"<link\b[^>]*\bhref=\"https?://[^>]*>\s*")


def build(project: Path, package: str, env: str | None, params: dict[str, Any]) -> Path:
    """Write the page of all pipelines into ``build/`` of the project.

    Args:
        package: name of the project's package.
        env: configuration environment, whose data root is shown.
        params: values that take the place of those in the configuration, by dotted name.

    Returns:
        The folder. A browser opens it from a server (``python -m http.server``), not from the file system: the page
        is made of modules.
    """
    from kedro_viz.api.rest.responses.metadata import MetadataAPIResponse, get_metadata_response
    from kedro_viz.api.rest.responses.utils import get_encoded_response
    from kedro_viz.integrations.deployment.local_deployer import LocalDeployer
    from kedro_viz.server import load_and_populate_data

    folder = project / FOLDER
    shutil.rmtree(folder / "api", ignore_errors=True)  # previews of what is no longer in the graph
    # What has not been made yet has no preview: of two hundred data sets kedro-viz would say so one by one.
    logging.getLogger("kedro_viz.models.flowchart.node_metadata").setLevel(logging.ERROR)
    with contextlib.chdir(project):
        load_and_populate_data(project, env, include_hooks=True, package_name=package, extra_params=params)
        LocalDeployer().deploy(is_all_previews_enabled=True)
    # The page asks for it, and kedro-viz leaves it out.
    metadata = MetadataAPIResponse.model_validate(get_metadata_response(), from_attributes=True)
    (folder / "api" / "metadata").write_bytes(get_encoded_response(metadata))
    for page in folder.glob("*.html"):
        page.write_text(_ELSEWHERE.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")
    return folder
