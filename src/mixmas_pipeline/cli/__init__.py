"""Commands that the project adds to ``kedro``."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.project import run
from kedro.framework.cli.utils import _split_params, env_option
from kedro.framework.startup import ProjectMetadata

if TYPE_CHECKING:
    from kedro.config import AbstractConfigLoader

    from mixmas_pipeline.datasets.runs import Record
    from mixmas_pipeline.storage.paths import Place

__all__ = ["cli", "run"]

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@click.group(name="mixmas_pipeline")
def cli() -> None:
    """Commands of the project."""


class _Age(click.ParamType):
    """``12h``, ``30d`` or ``4w``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if match := re.fullmatch(r"(\d+)([hdw])", str(value)):
            return timedelta(**{_UNITS[match[2]]: int(match[1])})
        self.fail(f"{value!r} is no age; expected a number of hours, days or weeks such as 12h, 30d or 4w", param, ctx)


@cli.command()
@env_option(help="Environment whose data root is pruned.")
@click.option("--keep", type=click.IntRange(min=1), default=2, show_default=True, help="Versions of each data set.")
@click.option("--older-than", type=_Age(), help="Only versions of a greater age: 12h, 30d, 4w. Default: of any age.")
@click.option("--yes", "-y", is_flag=True, help="Delete; without it the command only says what it would delete.")
@click.pass_obj
def prune(metadata: ProjectMetadata, env: str | None, keep: int, older_than: timedelta | None, yes: bool) -> None:
    """Delete old versions of every data set.

    Never the newest of any, nor one that a version which stays was made from; and nothing while a run is at work on
    the data root. What killed runs have left unfinished goes too: files that were being written, and checkpoints of
    trainings, which no run can resume afterwards.
    """
    from contextlib import nullcontext

    from mixmas_pipeline.storage.locks import locked
    from mixmas_pipeline.storage.paths import folders, remove
    from mixmas_pipeline.storage.retention import (
        checkpoint_folder,
        delete,
        leftovers,
        saved_versions,
        size,
        superfluous,
        sweep,
    )

    root = _data_root(metadata, env)
    if not folders(root):
        raise click.ClickException(f"there is no data root {root}: nothing has been run in this environment")
    with locked(root) if yes else nullcontext():
        versions = saved_versions(root)
        old, checkpoints = superfluous(versions, keep, older_than), folders(checkpoint_folder(root))
        unfinished = [*leftovers(root), *checkpoints]
        rows = [(saved.dataset, saved.version, size(saved.artefact.parent)) for saved in old]
        rows += [(path, "unfinished", size(path)) for path in unfinished]
        _show(root, rows)
        if yes:
            for saved in old:
                delete(saved)
            sweep(root)
            for path in checkpoints:
                remove(path)
    kept = sum(map(len, versions.values())) - len(old)
    total = _bytes(sum(row[2] for row in rows))
    click.echo(
        f"{'Deleted' if yes else 'Would delete'} {len(old)} versions and {len(unfinished)} unfinished files or folders "
        f"({total}); {kept} versions of {len(versions)} data sets stay."
    )
    if rows and not yes:
        click.echo("Nothing has been deleted: add --yes to do so.")


@cli.command("viz-build")
@env_option(help="Environment whose artefacts are shown.")
@click.option(
    "--params", type=click.UNPROCESSED, default="", callback=_split_params, help="As those of kedro run: dataset=mimic."
)
@click.pass_obj
def viz_build(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> None:
    """The graph with all previews as a page that needs no network.

    It is what kedro viz shows, as files in the folder build: to be given to others, or put on any server.
    """
    from mixmas_pipeline.cli.viz_build import build

    folder = build(metadata.project_path, metadata.package_name, env, params)
    click.echo(
        f"To look at it: python -m http.server --bind 127.0.0.1 --directory {folder}, then http://127.0.0.1:8000"
    )


@cli.command()
@env_option(help="Environment whose runs are listed.")
@click.argument("run", required=False)
@click.argument("other", required=False)
@click.pass_obj
def runs(metadata: ProjectMetadata, env: str | None, run: str | None, other: str | None) -> None:
    """List the runs that made something, or show what differs between two: RUN and OTHER.

    A run is named by its id, or by how that begins or ends. RUN alone is held against the run before it.
    """
    from rich.console import Console

    from mixmas_pipeline.cli.run_tables import difference_table, find, runs_table

    found = _records(metadata, env)
    if not found:
        raise click.ClickException("no run is logged in this environment; `kedro run` logs what it has made")
    console = Console(width=None if Console().is_terminal else 160)
    if run is None:
        for records in found:
            console.print(runs_table(records))
        return
    every = [record for records in found for record in records]
    try:
        first = find(every, run)
        second = find(every, other) if other else _before(first, found)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    console.print(difference_table(*sorted((first, second), key=lambda record: record.run)))


def _before(record: Record, found: list[list[Record]]) -> Record:
    """The run of the same data set before this one."""
    (records,) = [records for records in found if record in records]
    earlier = records[records.index(record) + 1 :]
    if not earlier:
        raise ValueError(f"{record.run} is the first run of {record.dataset}; name another to compare it with")
    return earlier[0]


def _records(metadata: ProjectMetadata, env: str | None) -> list[list[Record]]:
    """The runs of each data set that has some, newest first. (A session's catalog would import torch.)"""
    from kedro.io import CatalogConfigResolver

    from mixmas_pipeline.datasets.runs import RunsDataset
    from mixmas_pipeline.storage.paths import place

    config = _config(metadata, env)
    catalog, found = CatalogConfigResolver(config["catalog"], default_runtime_patterns={}), []
    for name, section in config["parameters"].items():
        if isinstance(section, dict) and "search" in section:
            where = place(catalog.resolve_pattern(f"{name}.runs")["filepath"])
            where = metadata.project_path / where if isinstance(where, Path) else where
            found.append(RunsDataset(filepath=str(where)).load())
    return [records for records in found if records]


def _config(metadata: ProjectMetadata, env: str | None) -> AbstractConfigLoader:
    from kedro.framework.project import settings

    source = str(metadata.project_path / settings.CONF_SOURCE)
    environment = env or os.environ.get("KEDRO_ENV")
    return settings.CONFIG_LOADER_CLASS(source, env=environment, **settings.CONFIG_LOADER_ARGS)


def _data_root(metadata: ProjectMetadata, env: str | None) -> Place:
    from mixmas_pipeline.storage.locks import data_root

    return data_root(_config(metadata, env)["globals"], metadata.project_path)


def _show(root: Place, rows: list[tuple[Place, str, int]]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        return
    table = Table("data set", "version", "size", title=f"In {root}", title_justify="left")
    table.columns[2].justify = "right"
    for path, version, amount in rows:
        table.add_row(str(path).removeprefix(str(root)).lstrip("/"), version, _bytes(amount))
    Console().print(table)


def _bytes(number: float) -> str:
    units = ["B", "kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{number:.{0 if units[0] == 'B' else 1}f} {units[0]}"
