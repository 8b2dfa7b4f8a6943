"""``kedro runs``: list the logged runs, or show what differs between two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.utils import env_option
from kedro.framework.startup import ProjectMetadata

from mixmas_pipeline.cli.configuration import load_configuration

if TYPE_CHECKING:
    from rich.table import Table

    from mixmas_pipeline.datasets.runs import Record

# The list names at most this many changed parameters per run. A comparison of two runs names them all.
_MOST_NAMED = 3
# Columns, where the output is no terminal.
_WIDTH = 160
_ABSENT = "(none)"


@click.command("runs")
@env_option(help="Environment whose runs are listed.")
@click.option("--verify", is_flag=True, help="Read every result and compare it with its record.")
@click.argument("run", required=False)
@click.argument("other", required=False)
@click.pass_obj
def runs_command(metadata: ProjectMetadata, env: str | None, verify: bool, run: str | None, other: str | None) -> None:
    """List the runs that made something, or show what differs between two: RUN and OTHER.

    Name a run by its id, or by the beginning or the end of its id. RUN alone is compared with the run before it.
    With --verify, name the results that differ from what their run saved; the exit status is 1 if there are any.
    """
    from rich.console import Console

    if verify:
        if run is not None:
            raise click.UsageError("--verify reads the results of all runs; leave out RUN")
        _verify(metadata, env)
        return
    logs = _load_logs(metadata, env)
    if not logs:
        raise click.ClickException("no run is logged in this environment; `kedro run` logs what it has made")
    console = Console(width=None if Console().is_terminal else _WIDTH, markup=False, emoji=False)
    if run is None:
        for records in logs:
            console.print(runs_table(records))
        return
    every = [record for records in logs for record in records]
    try:
        first = find_run(every, run)
        second = find_run(every, other) if other else _run_before(first, logs)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    console.print(difference_table(*sorted((first, second), key=lambda record: record.run)))


def _verify(metadata: ProjectMetadata, env: str | None) -> None:
    """Print the versions whose content is not the recorded one.

    Raises:
        ClickException: there are some, or there is no data root.
    """
    from mixmas_pipeline.storage.locks import data_root
    from mixmas_pipeline.storage.paths import subfolders
    from mixmas_pipeline.storage.retention import altered_versions, saved_versions

    root = data_root(load_configuration(metadata, env)["globals"], metadata.project_path)
    if not subfolders(root):
        raise click.ClickException(f"there is no data root {root}: nothing has been run in this environment")
    saved = [version for versions in saved_versions(root).values() for version in versions]
    recorded = [version for version in saved if version.record]
    with click.progressbar(recorded, label=f"Reading {len(recorded)} versions") as shown:
        altered = list(altered_versions(shown))
    for version in altered:
        click.echo(f"{version.artefact} differs from what run {version.record['run']} saved")
    if without := len(saved) - len(recorded):
        click.echo(f"Versions without a record, which could not be compared: {without}")
    if altered:
        raise click.ClickException(
            f"altered: {len(altered)} of {len(recorded)}. Delete the folder of such a version: the next "
            "run makes it again"
        )
    click.echo(f"All {len(recorded)} recorded versions are what their runs saved")


def find_run(records: list[Record], wanted: str) -> Record:
    """The run whose id equals, begins with or ends with the text.

    Raises:
        ValueError: no run matches, or more than one.
    """
    matches = [record for record in records if record.run.startswith(wanted) or record.run.endswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    what = f"{len(matches)} runs are" if matches else "no run is"
    ids = ", ".join(record.run for record in matches or records) or "none"
    raise ValueError(f"{what} named {wanted!r}; expected the id of one, or how it begins or ends; there are: {ids}")


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each name with different values -> old and new value; "(none)" stands for a missing one."""
    return {
        name: (before, after)
        for name in dict.fromkeys([*old, *new])
        if (before := old.get(name, _ABSENT)) != (after := new.get(name, _ABSENT))
    }


def runs_table(records: list[Record]) -> Table:
    """The runs of one data set, a row per run: choice, scores, and what changed since the run before.

    Args:
        records: newest first; at least one.
    """
    from rich.table import Table

    table = Table(title=f"{records[0].dataset}: runs, newest first", title_justify="left")
    table.add_column("run", no_wrap=True)
    for name in ("pipeline", "chosen", "score"):
        table.add_column(name)
    for name in ("validation", "test"):
        table.add_column(name, justify="right")
    table.add_column("changed since the run before", overflow="fold")
    for record, before in zip(records, [*records[1:], None], strict=True):
        table.add_row(
            record.run,
            record.pipeline,
            "\n".join(record.chosen.values()),
            f"f1 of {record.positive}" if record.metric == "f1" and record.positive else record.metric,
            *(_score(record.metrics.get(f"{split}/{record.metric}")) for split in ("validation", "test")),
            _describe_changes(before, record) if before else "",
            end_section=True,
        )
    return table


def difference_table(old: Record, new: Record) -> Table:
    """What differs between two runs: pipeline and environment, choices, parameters, versions, scores."""
    from rich.table import Table

    table = Table("", old.run, new.run, title=f"{new.dataset}: what differs", title_justify="left")
    table.add_column("difference", justify="right")
    heads = ({"data set": r.dataset, "pipeline": r.pipeline, "environment": r.environment} for r in (old, new))
    chosen = ({f"chosen {stage}": name for stage, name in r.chosen.items()} for r in (old, new))
    for rows in (
        changes(*heads),
        changes(*chosen),
        changes(old.parameters, new.parameters),
        changes(old.versions, new.versions),
    ):
        for name, (before, after) in rows.items():
            table.add_row(name, str(before), str(after))
        table.add_section()
    for name, (before, after) in changes(old.metrics, new.metrics).items():
        both = isinstance(before, float) and isinstance(after, float)
        table.add_row(name, _score(before), _score(after), f"{after - before:+.4f}" if both else "")
    return table


def _load_logs(metadata: ProjectMetadata, env: str | None) -> list[list[Record]]:
    """The runs of each data set that has some, newest first."""
    from kedro.io import CatalogConfigResolver

    from mixmas_pipeline.datasets.runs import RunsDataset
    from mixmas_pipeline.storage.paths import as_path

    config = load_configuration(metadata, env)
    catalog, logs = CatalogConfigResolver(config["catalog"], default_runtime_patterns={}), []
    for name, section in config["parameters"].items():
        if isinstance(section, dict) and "search" in section:
            folder = as_path(catalog.resolve_pattern(f"{name}.runs")["filepath"])
            folder = metadata.project_path / folder if isinstance(folder, Path) else folder
            logs.append(RunsDataset(filepath=str(folder)).load())
    return [records for records in logs if records]


def _run_before(record: Record, logs: list[list[Record]]) -> Record:
    """The previous run of the same data set.

    Raises:
        ValueError: it is the first.
    """
    (records,) = [records for records in logs if record in records]
    earlier = records[records.index(record) + 1 :]
    if not earlier:
        raise ValueError(f"{record.run} is the first run of {record.dataset}; name another to compare it with")
    return earlier[0]


def _describe_changes(before: Record, record: Record) -> str:
    """The first changed parameters and the names of changed versions, a line each."""
    changed = changes(before.parameters, record.parameters)
    prefix = f"{record.dataset}."
    lines = [f"{name.removeprefix(prefix)}: {old} → {new}" for name, (old, new) in list(changed.items())[:_MOST_NAMED]]
    if len(changed) > _MOST_NAMED:
        lines.append(f"and {len(changed) - _MOST_NAMED} more parameters")
    if versions := changes(before.versions, record.versions):
        lines.append(f"versions of {', '.join(versions)}")
    return "\n".join(lines)


def _score(value: float | str | None) -> str:
    return f"{value:.4f}" if isinstance(value, float) else value or ""
