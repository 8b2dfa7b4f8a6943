"""``kedro draft``: a first block of parameters for a table, guessed from what is in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixmas_pipeline.utils.printable import printable

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata

    from mixmas_pipeline.pipelines.data.custom.drafting import Draft

LABEL = click.option(
    "--label", "labels", multiple=True, metavar="COLUMN", help="Column to predict; several times for several."
)
NAME = click.option("--name", help="Name of the data set. Default: that of the file.")
SHEET = click.option("--sheet", help="Of a workbook with several sheets: the one to read.")
QUERY = click.option("--query", help="Of a database with several tables: a select statement.")


@click.command("draft")
@click.argument("table")
@LABEL
@NAME
@SHEET
@QUERY
@click.option("--force", is_flag=True, help="Write an earlier draft anew; what you have changed in it is lost.")
@click.pass_obj
def draft_command(
    metadata: ProjectMetadata,
    table: str,
    labels: tuple[str, ...],
    name: str | None,
    sheet: str | None,
    query: str | None,
    force: bool,
) -> None:
    """Write a first block of parameters for TABLE into conf/local/parameters.yml.

    The role of each column, the task and the modalities are guessed; a comment says what from. Nothing is asked. Read
    the block and correct it, then `kedro run`.
    """
    from kedro.framework.project import settings

    project = metadata.project_path
    conf = project / settings.CONF_SOURCE
    part = part_of(sheet, query)
    made = make_draft(table, labels, name, project, conf, part, force=force)
    file = write_draft(made, conf, force=force)
    report(made, file)
    if (environment := os.environ.get("KEDRO_ENV", "local")) != "local":
        click.echo(f"KEDRO_ENV is {environment}: conf/local is not read. Unset it to use the draft.")
    click.echo("Next: read the block, then kedro run --pipelines=describe, and kedro run")


def part_of(sheet: str | None, query: str | None) -> dict[str, str]:
    """The keys of the parameters that say which part of a file is the table."""
    return {key: value for key, value in (("sheet", sheet), ("query", query)) if value}


def make_draft(
    table: str,
    labels: tuple[str, ...],
    name: str | None,
    project: Path,
    conf: Path,
    part: Mapping[str, str],
    *,
    force: bool = False,
) -> Draft:
    """The draft, if it can be written.

    Args:
        table: a path in the folder of the process, or a URL.
        labels: columns to predict.
        name: of the data set. Default: the file's; if no data set can have that, it follows "table_".
        project: the folder that paths are relative to.
        conf: the project's folder of configuration.
        part: of ``part_of``.
        force: an earlier draft may be replaced. Default false.

    Raises:
        ClickException: there is no such file or label, or the name is taken, or none of a data set.
    """
    from kedro.io import DatasetError

    from mixmas_pipeline import pipeline_registry
    from mixmas_pipeline.cli.local_parameters import NotFree, check_free
    from mixmas_pipeline.datasets import NamedFileDataset
    from mixmas_pipeline.pipelines.data.custom.drafting import DraftError, data_set_name, draft, written_path

    file = table if "://" in table else written_path(Path(table), project)
    if name is None:
        name = data_set_name(table)
        name = name if pipeline_registry.why_no_name(name) is None else f"table_{name}"
    elif why := pipeline_registry.why_no_name(name):
        raise click.ClickException(f"{name!r} cannot name a data set: {why}")
    try:
        path = NamedFileDataset(filepath=table, key="kedro draft").load()
        if labels:  # else the error names the columns that may be labels
            check_free(conf, name, force=force)
        return draft(path, file, labels, name, project, part)
    except (DatasetError, NotFree, DraftError) as error:
        raise click.ClickException(printable(str(error), kept="\n")) from None


def write_draft(made: Draft, conf: Path, *, force: bool = False) -> Path:
    """Write it, once the whole configuration with it has been checked as a run checks it.

    Returns:
        The file.

    Raises:
        ClickException: the configuration has an error, or the file cannot be written.
    """
    from mixmas_pipeline.cli.local_parameters import write

    try:
        _check_configuration(made, conf)
        return write(conf, made.name, made.text, force=force)
    except (ValueError, OSError) as error:
        raise click.ClickException(printable(str(error), kept="\n")) from None


def _check_configuration(made: Draft, conf: Path) -> None:
    from mixmas_pipeline import pipeline_registry
    from mixmas_pipeline.config_loader import ARGUMENTS, ProjectConfigLoader

    parameters: dict[str, Any] = dict(ProjectConfigLoader(str(conf), env="local", **ARGUMENTS)["parameters"])
    parameters.pop(made.name, None)  # an earlier draft
    pipeline_registry.use_parameters({**parameters, **made.parameters})
    try:
        pipeline_registry.register_pipelines()
    finally:
        pipeline_registry.use_parameters(None)


def report(made: Draft, file: Path) -> None:
    """Print what was written, what was left out and why, and what to look at."""
    click.echo(f"Wrote the data set {made.name} ({made.rows:,} rows, {made.columns} columns) into {file}.")
    if made.left_out:
        click.echo("Left out:")
        for column, why in made.left_out.items():
            click.echo(f"  {printable(column)}: {printable(why)}")
    for warning in made.warnings:
        click.secho(f"WARNING: {printable(warning)}", fg="yellow", bold=True)
