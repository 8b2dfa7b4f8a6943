"""The runner that reuses what is there: run the same command again and only what is missing or changed is done."""

from __future__ import annotations

import logging
from collections import Counter
from itertools import chain

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from kedro.runner.task import Task
from pluggy import PluginManager

from mixmas_pipeline.runners.fingerprints import fingerprint, record, up_to_date

_log = logging.getLogger(__name__)


class ReusingRunner(SequentialRunner):
    """Runs nodes one after the other, and skips a node whose outputs were made from the same things before.

    It is what ``kedro run`` uses unless another ``--runner`` than Kedro's sequential one is named. The parameter
    ``reuse: false`` makes everything anew; what is made is recorded all the same.
    """

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        nodes = pipeline.nodes
        reuse = catalog.load("params:reuse")
        if str(reuse).lower() not in ("true", "false"):
            raise ValueError(f"the parameter 'reuse' is {reuse!r}; expected true or false")
        reuse = str(reuse).lower() == "true"
        load_counts = Counter(chain.from_iterable(node.inputs for node in nodes))
        done, reused = set(), []
        for node in nodes:
            wanted = fingerprint(node, catalog)
            reason = up_to_date(node, wanted, catalog) if reuse else "reuse is off"
            if not reason:
                reused.append(node.name)
                done.add(node)
                continue
            if reused:
                _log.info("Reused: %s", ", ".join(reused))
                reused = []
            _log.info("Running %s (%d of %d): %s", node.name, len(done) + 1, len(nodes), reason)
            try:
                Task(node=node, catalog=catalog, hook_manager=hook_manager, is_async=False, run_id=run_id).execute()
            except Exception:
                _log.error("%s failed; what was finished before it is kept and will be reused", node.name)
                raise
            record(node, wanted, catalog, run_id)
            done.add(node)
            self._release_datasets(node, catalog, load_counts, pipeline)
        if reused:
            _log.info("Reused: %s", ", ".join(reused))
