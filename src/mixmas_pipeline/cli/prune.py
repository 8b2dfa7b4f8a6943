"""``kedro prune``: delete old versions from the data root."""

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.utils import env_option
from kedro.framework.startup import ProjectMetadata

from mixmas_pipeline.cli.configuration import load_configuration

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType):
    """A time span on the command line: ``12h``, ``30d`` or ``4w``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse the text; click reports what does not parse."""
        if match := re.fullmatch(r"(\d+)([hdw])", str(value)):
            return timedelta(**{_UNITS[match[2]]: int(match[1])})
        self.fail(f"{value!r} is no age; expected a number of hours, days or weeks such as 12h, 30d or 4w", param, ctx)


@click.command("prune")
@env_option(help="Environment whose data root is pruned.")
@click.option("--keep", type=click.IntRange(min=1), default=2, show_default=True, help="Versions of each data set.")
@click.option("--older-than", type=Age(), help="Only versions of a greater age: 12h, 30d, 4w. Default: of any age.")
@click.option("--yes", "-y", is_flag=True, help="Delete; without it the command only lists what it would delete.")
@click.pass_obj
def prune_command(
    metadata: ProjectMetadata, env: str | None, keep: int, older_than: timedelta | None, yes: bool
) -> None:
    """Delete old versions of every data set.

    The command keeps the newest version of each, and every version that a kept version was made from. It deletes
    nothing while a run uses the data root. It also deletes what killed runs have left: unfinished files, and
    checkpoints of trainings, which no run can resume afterwards.
    """
    from mixmas_pipeline.storage.locks import DataRootBusy, data_root, locked
    from mixmas_pipeline.storage.paths import subfolders

    root = data_root(load_configuration(metadata, env)["globals"], metadata.project_path)
    if not subfolders(root):
        raise click.ClickException(f"there is no data root {root}: nothing has been run in this environment")
    try:
        with locked(root) if yes else nullcontext():
            _prune(root, keep, older_than, yes)
    except DataRootBusy as error:
        raise click.ClickException(str(error)) from None


def _prune(root: AnyPath, keep: int, older_than: timedelta | None, yes: bool) -> None:
    """Delete, or list, what is superfluous in an existing data root, which is locked for deleting."""
    from mixmas_pipeline.storage.paths import remove, subfolders
    from mixmas_pipeline.storage.retention import (
        checkpoint_folder,
        delete,
        leftovers,
        saved_versions,
        size,
        superfluous,
        sweep,
    )

    versions = saved_versions(root)
    old, checkpoints = superfluous(versions, keep, older_than), subfolders(checkpoint_folder(root))
    unfinished = [*leftovers(root), *checkpoints]
    rows = [(saved.dataset, saved.version, size(saved.artefact.parent)) for saved in old]
    rows += [(path, "unfinished", size(path)) for path in unfinished]
    _print_table(root, rows)
    if yes:
        for saved in old:
            delete(saved)
        sweep(root)
        for path in checkpoints:
            remove(path)
    kept = sum(map(len, versions.values())) - len(old)
    total = format_bytes(sum(row[2] for row in rows))
    click.echo(
        f"{'Deleted' if yes else 'Would delete'} {len(old)} versions and {len(unfinished)} unfinished files or folders "
        f"({total}); {kept} versions of {len(versions)} data sets stay."
    )
    if rows and not yes:
        click.echo("Nothing has been deleted: add --yes to do so.")


def _print_table(root: AnyPath, rows: list[tuple[AnyPath, str, int]]) -> None:
    """Print what is deleted: path, version, size in bytes."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        return
    table = Table("data set", "version", "size", title=f"In {root}", title_justify="left")
    table.columns[2].justify = "right"
    for path, version, size in rows:
        table.add_row(str(path).removeprefix(str(root)).lstrip("/"), version, format_bytes(size))
    Console(markup=False, emoji=False).print(table)


def format_bytes(number: float) -> str:
    """Bytes in the largest unit that keeps at least 1: "1.5 MB"."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{number:.{0 if units[0] == 'B' else 1}f} {units[0]}"
