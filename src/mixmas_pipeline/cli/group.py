"""The commands that the project adds to ``kedro``."""

from __future__ import annotations

import click

from mixmas_pipeline.cli.draft import draft_command
from mixmas_pipeline.cli.ipython import ipython_command
from mixmas_pipeline.cli.kedro_run import run_command
from mixmas_pipeline.cli.prune import prune_command
from mixmas_pipeline.cli.runs import runs_command
from mixmas_pipeline.cli.viz_build import viz_build_command

__all__ = ["cli", "run"]

run = run_command


@click.group(name="mixmas_pipeline")
def cli() -> None:
    """Commands of the project."""


for _command in (draft_command, ipython_command, prune_command, run_command, runs_command, viz_build_command):
    cli.add_command(_command)
