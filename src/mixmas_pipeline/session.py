"""The Kedro session of this project: it reuses results unless another runner is named."""

from __future__ import annotations

from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.session import KedroSession
from kedro.runner import AbstractRunner, SequentialRunner

from mixmas_pipeline import pipeline_registry


class ReusingSession(KedroSession):
    """``kedro run`` passes Kedro's sequential runner unless ``--runner`` names another one; ``ReusingRunner`` replaces
    it."""

    _reuses = True

    def run(self, *args: Any, runner: AbstractRunner | None = None, **kwargs: Any) -> dict[str, Any]:
        """Run with ``ReusingRunner`` instead of Kedro's sequential runner.

        ``ReusingRunner`` checks the hyperparameters of blocks before the first node that has to run, since the check
        imports torch. With any other runner every node runs, so they are checked before the run.
        """
        from mixmas_pipeline.runners.reusing import ReusingRunner

        if runner is None or type(runner) is SequentialRunner:
            runner = ReusingRunner()
        self._reuses = isinstance(runner, ReusingRunner)
        kwargs["runner"] = runner
        try:
            return super().run(*args, **kwargs)
        except ValueError:
            # Kedro's own error names the pipeline that does not exist, but not why.
            wanted = [kwargs.get("pipeline_name"), *(kwargs.get("pipeline_names") or []), *args]
            for name in wanted:
                if isinstance(name, str) and (reason := pipeline_registry.why_left_out(name)):
                    raise ValueError(reason) from None
            raise

    def load_context(self) -> KedroContext:
        """The context. A hook passes its parameters to the pipeline registry."""
        context = super().load_context()
        if not self._reuses:
            pipeline_registry.check_blocks()
        return context
