"""``kedro viz-build``: the graph with its previews as static files that need no network.

``kedro viz build`` makes such a folder too, but only for the environment that ``KEDRO_ENV`` names, and its page loads a
font from Google: without a network a browser may wait long for it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import _split_params, env_option
from kedro.framework.startup import ProjectMetadata

FOLDER = "build"  # of kedro viz build
_EXTERNAL_LINK = re.compile(r"<link\b[^>]*\bhref=\"https?://[^>]*>\s*")


@click.command("viz-build")
@env_option(help="Environment whose artefacts are shown.")
@click.option(
    "--params", type=click.UNPROCESSED, default="", callback=_split_params, help="As for kedro run: dataset=mimic."
)
@click.pass_obj
def viz_build_command(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> None:
    """Write the graph with all previews as a page that needs no network.

    The folder build has what kedro viz shows, as files: to pass on, or to put on any server.
    """
    folder = build(metadata.project_path, metadata.package_name, env, params)
    click.echo(
        f"To look at it: python -m http.server --bind 127.0.0.1 --directory {folder}, then http://127.0.0.1:8000"
    )


def build(project: Path, package: str, env: str | None, params: dict[str, Any]) -> Path:
    """Write the page of all pipelines into ``build/`` of the project.

    Args:
        package: name of the project's package.
        env: configuration environment, whose data root is shown.
        params: replaces values of the configuration, by dotted name.

    Returns:
        The folder. A browser needs a server to open it (``python -m http.server``), since the page is made of modules.
    """
    from kedro_viz.api.rest.responses.metadata import MetadataAPIResponse, get_metadata_response
    from kedro_viz.api.rest.responses.utils import get_encoded_response
    from kedro_viz.integrations.deployment.local_deployer import LocalDeployer
    from kedro_viz.server import load_and_populate_data

    folder = project / FOLDER
    shutil.rmtree(folder / "api", ignore_errors=True)  # previews of data sets that are no longer in the graph
    # kedro-viz warns about each data set that does not exist yet: there may be two hundred.
    logging.getLogger("kedro_viz.models.flowchart.node_metadata").setLevel(logging.ERROR)
    with contextlib.chdir(project):
        load_and_populate_data(project, env, include_hooks=True, package_name=package, extra_params=params)
        LocalDeployer().deploy(is_all_previews_enabled=True)
    # The page asks for this file, and kedro-viz does not write it.
    metadata = MetadataAPIResponse.model_validate(get_metadata_response(), from_attributes=True)
    (folder / "api" / "metadata").write_bytes(get_encoded_response(metadata))
    for page in folder.glob("*.html"):
        page.write_text(_EXTERNAL_LINK.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")
    return folder
