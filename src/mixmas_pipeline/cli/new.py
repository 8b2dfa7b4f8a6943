"""``mixmas_pipeline new``: lay down a project folder, in which Kedro's commands work with the installed package.

What is copied lies in the package's folder ``project``: in a checkout links to the checkout's own ``conf`` and
``notebooks``, in a wheel the files.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from mixmas_pipeline.utils.packaged_project import PROJECT

_SHIPPED = ("conf/*.yml", "conf/*.j2", "conf/base/*.yml", "conf/paper/*.yml", "notebooks/*.ipynb")
_PYPROJECT = """\
# What Kedro needs to know; the code is the installed package mixmas_pipeline.
[tool.kedro]
package_name = "mixmas_pipeline"
project_name = {name}
kedro_init_version = "{version}"
source_dir = "src"  # modules of your own in it can be imported
"""
_LOCAL = """\
# Your changes of the parameters in conf/base: only what differs. Read when no --env is named.
"""
_IGNORED = "data/\nconf/local/\n*credentials*\n*.log\n"
_CONSENT = "# Nothing is sent anywhere, and no command waits on the network.\nconsent: false\n"


def lay_down(folder: Path) -> None:
    """Make a project: configuration, notebooks, and empty folders for data and for modules of one's own.

    Args:
        folder: is made; may be there if it is empty.

    Raises:
        FileExistsError: there is something in the folder, or it is a file.
    """
    import kedro

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already; expected a new or an empty folder")
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


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make a project in FOLDER: configuration to edit, notebooks, a place for data."""
    try:
        lay_down(folder)
    except FileExistsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Made {folder}. Next: cd {folder} && kedro run")
