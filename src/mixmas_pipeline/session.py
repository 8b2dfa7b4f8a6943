"""The Kedro session of this project: it reuses results unless told otherwise."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.session import KedroSession
from kedro.runner import AbstractRunner, SequentialRunner

from mixmas_pipeline.pipeline_registry import why_left_out
from mixmas_pipeline.storage.locks import DataRootBusy


class BusyError(click.ClickException, DataRootBusy):
    """``DataRootBusy`` for the command line, which shows the message without a trace."""


class ReusingSession(KedroSession):
    """``kedro run`` hands over Kedro's plain sequential runner unless a ``--runner`` is named; here it is replaced."""

    def run(self, *args: Any, runner: AbstractRunner | None = None, **kwargs: Any) -> dict[str, Any]:
        """Run with ``ReusingRunner`` in the place of Kedro's sequential runner."""
        if runner is None or type(runner) is SequentialRunner:
            from mixmas_pipeline.runners.reusing import ReusingRunner

            runner = ReusingRunner()
        kwargs["runner"] = runner
        try:
            return super().run(*args, **kwargs)
        except DataRootBusy as error:
            raise BusyError(str(error)) from None
        except ValueError:
            # Kedro only says that there is no such pipeline.
            wanted = [kwargs.get("pipeline_name"), *(kwargs.get("pipeline_names") or []), *args]
            for name in wanted:
                if isinstance(name, str) and (reason := why_left_out(name)):
                    raise ValueError(reason) from None
            raise
