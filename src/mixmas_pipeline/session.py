"""The Kedro session of this project: it reuses results unless another runner is named."""

from __future__ import annotations

from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.runner import AbstractRunner, SequentialRunner

from mixmas_pipeline.pipeline_registry import check_remaining_parameters, why_left_out
from mixmas_pipeline.utils.errors import InputError


class ReusingSession(KedroSession):
    """``kedro run`` passes Kedro's sequential runner unless ``--runner`` names another one; ``ReusingRunner`` replaces
    it."""

    _checks_at_start = False

    def run(self, *args: Any, runner: AbstractRunner | None = None, **kwargs: Any) -> dict[str, Any]:
        """Run with ``ReusingRunner`` instead of Kedro's sequential runner.

        Parameters whose check imports torch are checked right before the first node that has to run. With another
        runner than ours every node runs, so they are checked at once.
        """
        from mixmas_pipeline.runners.reusing import ReusingRunner

        if runner is None or type(runner) is SequentialRunner:
            runner = ReusingRunner()
        self._checks_at_start = not isinstance(runner, ReusingRunner)
        if isinstance(runner, ReusingRunner) and runner.before_first_node is None:
            runner.before_first_node = check_remaining_parameters
        kwargs["runner"] = runner
        try:
            return super().run(*args, **kwargs)
        except InputError:
            raise
        except ValueError as error:
            # Kedro's own error names the pipeline that does not exist, but not why.
            wanted = [kwargs.get("pipeline_name"), *(kwargs.get("pipeline_names") or []), *args]
            if unknown := [name for name in wanted if isinstance(name, str) and name not in pipelines]:
                raise InputError(why_left_out(unknown[0]) or str(error)) from None
            raise

    def load_context(self) -> KedroContext:
        """The context. A hook passes its parameters to the pipeline registry."""
        context = super().load_context()
        if self._checks_at_start:
            check_remaining_parameters()
        return context
