"""``kedro ipython`` in the Python that runs ``kedro``: Kedro's own takes the first ``ipython`` of the PATH."""

from __future__ import annotations

import os
import subprocess
import sys

import click
from kedro.framework.cli.utils import env_option


@click.command("ipython", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@env_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def ipython_command(env: str | None, arguments: tuple[str, ...]) -> None:
    """Open IPython with `catalog`, `context`, `pipelines` and `session`. ARGUMENTS are IPython's own."""
    command = [sys.executable, "-m", "IPython", "--ext", "kedro.ipython", *arguments]
    sys.exit(subprocess.run(command, env=os.environ | ({"KEDRO_ENV": env} if env else {})).returncode)
