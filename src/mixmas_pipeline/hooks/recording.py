"""The hook that records results of Kedro's sequential runner, which reuses nothing, so that the next ``kedro run``
can."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline.node import Node

if TYPE_CHECKING:
    from mixmas_pipeline.runners.fingerprints import Fingerprint
    from mixmas_pipeline.utils.resources import ComputeParameters

_SEQUENTIAL = "kedro.runner.sequential_runner."


@dataclass
class _Run:
    """A run of Kedro's sequential runner.

    Attributes:
        process: of the run.
        made_from: of the node that runs, from before it began.
        missing: outputs of that node that are not saved yet.
        limits: of its threads.
    """

    catalog: CatalogProtocol
    run_id: str
    compute: ComputeParameters
    process: int = field(default_factory=os.getpid)
    made_from: Fingerprint | None = None
    missing: set[str] = field(default_factory=set)
    limits: ExitStack = field(default_factory=ExitStack)


class RecordingHooks:
    """Record what nodes save in a plain ``KedroSession``. The nodes compute with as many threads as with our runner, so
    that the results are the same bits.

    Kedro's other runners are not recorded: their nodes share this process or have one of their own.
    """

    def __init__(self) -> None:
        self._begun: _Run | None = None

    @property
    def _run(self) -> _Run | None:
        """The run, in its own process."""
        return self._begun if self._begun and self._begun.process == os.getpid() else None

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: CatalogProtocol) -> None:
        """Begin to record, if the runner is Kedro's sequential one."""
        from mixmas_pipeline.runners.fingerprints import begin_run
        from mixmas_pipeline.utils.resources import ComputeParameters

        self._begun = None
        runner = str(run_params.get("runner"))
        if runner == "None" or _SEQUENTIAL in runner:  # a session that is given none takes it
            begin_run()
            section = catalog.load("params:compute") if "params:compute" in catalog else {}
            self._begun = _Run(catalog, run_params["run_id"], ComputeParameters.model_validate(section))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Keep what the node is made from, and limit its threads."""
        from mixmas_pipeline.runners.fingerprints import fingerprint
        from mixmas_pipeline.utils.resources import threads

        if run := self._run:
            run.made_from = fingerprint(node, run.catalog, run.compute)
            run.missing = set(node.outputs)
            run.limits.enter_context(threads(run.compute.share(node).threads))

    @hook_impl
    def after_node_run(self) -> None:
        """The node has computed; its outputs are saved next."""
        if run := self._run:
            run.limits.close()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Record a node that has saved all its outputs.

        Raises:
            CodeChanged: the node has run other code than that of its fingerprint.
        """
        from mixmas_pipeline.runners.fingerprints import record
        from mixmas_pipeline.runners.node_code import NodeCode

        if run := self._run:
            run.missing.discard(dataset_name)
            if not run.missing:
                NodeCode.of(node, run.catalog).check(node.name)
                record(node, run.made_from, run.catalog, run.run_id)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """The run has ended."""
        self._end()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """The run has ended."""
        self._end()

    def _end(self) -> None:
        if run := self._run:
            run.limits.close()
        self._begun = None
