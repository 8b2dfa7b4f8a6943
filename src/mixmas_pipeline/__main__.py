"""``python -m mixmas_pipeline`` and the console script: `kedro run` for the installed package, and ``new``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(words: Sequence[str] | None = None, **kwargs: Any) -> Any:
    """Run pipelines, or make a project to run them in.

    Args:
        words: "new" and a folder (``cli.new``), or the arguments of ``kedro run``. Default: the process's arguments.
        kwargs: for click's ``Command.main``.
    """
    words = list(sys.argv[1:] if words is None else words)
    interactive = hasattr(sys, "ps1")
    kwargs["standalone_mode"] = not interactive
    if words[:1] == ["new"]:
        from mixmas_pipeline.cli.new import new_command

        return new_command(words[1:], prog_name="mixmas_pipeline new", **kwargs)
    if "--help" in words:
        sys.stdout.write("mixmas_pipeline new FOLDER makes a project. All other arguments are those of kedro run:\n\n")
    from kedro.utils import find_kedro_project

    if find_kedro_project(Path.cwd()) is None and "--help" not in words:
        sys.exit(f"There is no project in {Path.cwd()}; make one: mixmas_pipeline new FOLDER")
    from kedro.framework.cli.utils import find_run_command  # it logs a line when it is imported
    from kedro.framework.project import configure_project

    package_name = Path(__file__).parent.name
    configure_project(package_name)
    return find_run_command(package_name)(words, **kwargs)


if __name__ == "__main__":
    main()
