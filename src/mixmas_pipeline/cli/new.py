"""``mixmas_pipeline new``: make a project folder in which Kedro's commands work with the installed package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from mixmas_pipeline.cli.draft import LABEL, NAME, QUERY, SHEET, make_draft, part_of, report, write_draft
from mixmas_pipeline.utils.packaged_project import PROJECT

_SHIPPED = ("conf/*.yml", "conf/*.j2", "conf/base/*.yml", "conf/paper/*.yml", "notebooks/*.ipynb")
_PYPROJECT = """\
# Read by Kedro. The code is the installed package mixmas_pipeline.
[tool.kedro]
package_name = "mixmas_pipeline"
project_name = {name}
kedro_init_version = "{version}"
source_dir = "src"  # your own modules in it can be imported
"""
_LOCAL = """\
# Your changes to the parameters of conf/base: only what differs. Read unless --env names an environment.
"""
_IGNORED = "data/\nconf/local/\n*credentials*\n*.log\n"
_CONSENT = "# No usage data is sent, and no command waits for the network.\nconsent: false\n"


def lay_down(folder: Path) -> None:
    """Make a project: configuration, notebooks, and empty folders for data and for custom modules.

    Args:
        folder: a new or an empty folder.

    Raises:
        FileExistsError: the folder is not empty, or it is a file.
    """
    import kedro

    _check_free(folder)
    for pattern in _SHIPPED:
        for file in (f for f in sorted(PROJECT.glob(pattern)) if "credentials" not in f.name):
            target = folder / file.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    for name in ("conf/local", "data/01_raw", "notebooks", "src"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    name = json.dumps(folder.resolve().name, ensure_ascii=False)
    written = {
        "pyproject.toml": _PYPROJECT.format(name=name, version=kedro.__version__),
        "conf/local/parameters.yml": _LOCAL,
        ".gitignore": _IGNORED,
        ".telemetry": _CONSENT,
    }
    for path, text in written.items():
        (folder / path).write_text(text, encoding="utf-8")


def _check_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already; expected a new or an empty folder")


def _with_draft(folder: Path, table: str, labels: tuple[str, ...], name: str | None, part: dict[str, str]) -> None:
    """Make a project whose parameters describe a table. If no block can be drafted, none is made."""
    made = make_draft(table, labels, name, folder, folder / "conf", part)
    lay_down(folder)
    report(made, write_draft(made, folder / "conf"))
    click.echo(f"Made {folder}. Next: read the block, then cd {folder} && kedro run")


@click.command("new")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--table", help="Describe this table in the project's parameters, as kedro draft does.")
@LABEL
@NAME
@SHEET
@QUERY
def new_command(
    folder: Path, table: str | None, labels: tuple[str, ...], name: str | None, sheet: str | None, query: str | None
) -> None:
    """Make a project in FOLDER: configuration to edit, notebooks, a folder for data."""
    for option, value in (("--label", labels), ("--name", name), ("--sheet", sheet), ("--query", query)):
        if value and table is None:
            raise click.UsageError(f"{option} is only used with --table, which is missing")
    try:
        _check_free(folder)
        if table is not None:
            _with_draft(folder, table, labels, name, part_of(sheet, query))
            return
        lay_down(folder)
    except FileExistsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Made {folder}. Next: cd {folder} && kedro run")
    click.echo("That runs the demo. Your own table is described in conf/local/parameters.yml: README, Your own data")
