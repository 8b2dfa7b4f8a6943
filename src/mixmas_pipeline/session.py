"""The Kedro session of this project: it reuses results unless told otherwise."""

from __future__ import annotations

from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.session import KedroSession
from kedro.runner import AbstractRunner, SequentialRunner

from mixmas_pipeline.pipeline_registry import check_blocks, why_left_out


class ReusingSession(KedroSession):
    """``kedro run`` passes Kedro's plain sequential runner unless a ``--runner`` is named; here it is replaced."""

    _other_runner = False

    def run(self, *args: Any, runner: AbstractRunner | None = None, **kwargs: Any) -> dict[str, Any]:
        """Run with ``ReusingRunner`` instead of Kedro's sequential runner.

        ``ReusingRunner`` checks the hyperparameters of blocks before the first node that has to run, since the check
        imports torch. With any other runner every node runs, so they are checked at once.
        """
        from mixmas_pipeline.runners.reusing import ReusingRunner

        if runner is None or type(runner) is SequentialRunner:
            runner = ReusingRunner()
        self._other_runner = not isinstance(runner, ReusingRunner)
        kwargs["runner"] = runner
        try:
            return super().run(*args, **kwargs)
        except ValueError:
            # Kedro only says that there is no such pipeline.
            wanted = [kwargs.get("pipeline_name"), *(kwargs.get("pipeline_names") or []), *args]
            for name in wanted:
                if isinstance(name, str) and (reason := why_left_out(name)):
                    raise ValueError(reason) from None
            raise

    def load_context(self) -> KedroContext:
        """The context. A hook hands its parameters to the pipeline registry."""
        context = super().load_context()
        if self._other_runner:
            check_blocks()
        return context
