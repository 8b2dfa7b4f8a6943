"""``kedro run``: Kedro's own command; a mistake in the user's data or parameters is shown without a trace."""

from __future__ import annotations

import copy
import functools
from typing import Any, cast

import click
from kedro.framework.cli.project import run
from kedro.io import DatasetError
from yaml import YAMLError

from mixmas_pipeline.storage.locks import DataRootBusy
from mixmas_pipeline.utils.errors import InputError, is_users
from mixmas_pipeline.utils.printable import printable


def _run(*args: Any, trace: bool, **kwargs: Any) -> Any:
    try:
        return _kedro_run(*args, **kwargs)
    except (InputError, DataRootBusy, DatasetError, YAMLError) as error:
        if trace or not (isinstance(error, (DataRootBusy, YAMLError)) or is_users(error)):
            raise
        raise click.ClickException(printable(str(error), kept="\n")) from error


_kedro_run = cast(Any, run.callback)
run_command = copy.copy(run)
run_command.callback = functools.wraps(_kedro_run)(_run)
run_command.params = [
    *run.params,
    click.Option(["--trace"], is_flag=True, help="Show where in the code a mistake in data or parameters was found."),
]
