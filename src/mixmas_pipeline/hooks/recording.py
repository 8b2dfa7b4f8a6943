"""The hook that records results of Kedro's own runners, which reuse nothing, so that the next ``kedro run`` can."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline.node import Node

if TYPE_CHECKING:
    from mixmas_pipeline.runners.fingerprints import Fingerprint

_OUR_RUNNERS = "mixmas_pipeline.runners."  # they record by themselves


@dataclass
class _Run:
    """A run of another runner.

    Attributes:
        made_from: node -> its fingerprint, from before it ran.
        missing: node -> its outputs that are not saved yet.
    """

    catalog: CatalogProtocol
    run_id: str
    made_from: dict[str, Fingerprint | None] = field(default_factory=dict)
    missing: dict[str, set[str]] = field(default_factory=dict)


class RecordingHooks:
    """Record what the nodes of a ``KedroSession`` of one's own, or of another runner than ours, have saved.

    In the processes of Kedro's ``ParallelRunner`` nothing is recorded: no run begins there.
    """

    def __init__(self) -> None:
        self._run: _Run | None = None
        self._lock = threading.Lock()  # nodes of Kedro's ThreadRunner

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: CatalogProtocol) -> None:
        """Begin to record, unless the runner does."""
        own = _OUR_RUNNERS in str(run_params.get("runner"))
        self._run = None if own else _Run(catalog, run_params["run_id"])

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Keep what the node is made from."""
        from mixmas_pipeline.runners.fingerprints import fingerprint
        from mixmas_pipeline.utils.resources import ComputeParameters

        if (run := self._run) is None:
            return
        section = run.catalog.load("params:compute") if "params:compute" in run.catalog else {}
        with self._lock:
            run.made_from[node.name] = fingerprint(node, run.catalog, ComputeParameters.model_validate(section))
            run.missing[node.name] = set(node.outputs)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Record a node that has saved all its outputs.

        Raises:
            CodeChanged: the node has run other code than that of its fingerprint.
        """
        from mixmas_pipeline.runners.fingerprints import record
        from mixmas_pipeline.runners.node_code import NodeCode

        if (run := self._run) is None:
            return
        with self._lock:
            run.missing[node.name].discard(dataset_name)
            if not run.missing[node.name]:
                NodeCode.of(node, run.catalog).check(node.name)
                record(node, run.made_from[node.name], run.catalog, run.run_id)
