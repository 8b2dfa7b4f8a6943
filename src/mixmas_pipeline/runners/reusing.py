"""The runner that reuses results: the same command again runs only the nodes whose results are missing or outdated.

Why a node runs again or is reused: ``reason_to_run`` in ``runners/fingerprints.py``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner
from pluggy import PluginManager

from mixmas_pipeline.runners.checks import check_inputs_exist, check_outputs_are_kept
from mixmas_pipeline.runners.executor import Executor
from mixmas_pipeline.runners.fingerprints import Fingerprint, begin_run, fingerprint, reason_to_run, record
from mixmas_pipeline.runners.local_executor import LocalExecutor
from mixmas_pipeline.runners.progress import RunProgress
from mixmas_pipeline.runners.remote import WorkerLost
from mixmas_pipeline.runners.task import TaskFactory
from mixmas_pipeline.storage.locks import check_locks
from mixmas_pipeline.utils.resources import ComputeParameters

RERUNS = 2  # of a node whose worker is lost
_log = logging.getLogger(__name__)


class ReusingRunner(AbstractRunner):
    """Runs each node as soon as its inputs exist and the executor has room, and reuses the outputs of a node that were
    made from the same things before.

    ``kedro run`` uses it unless ``--runner`` names another one than Kedro's sequential runner. With the parameter
    ``reuse: false`` all nodes run; their results are recorded all the same. The section ``compute`` says how much runs
    at once. This process computes all fingerprints and writes all records, wherever nodes run.

    A node whose worker is lost runs again, up to twice. After an error no further node starts; those that run finish
    and are recorded.

    Args:
        is_async: not supported.
        before_first_node: called once, right before the first node that is not reused. Default: nothing.
    """

    # What a user can do about data sets in memory, besides adding them to the catalog.
    memory_remedy: ClassVar[str] = ", or run with compute.cores=1"

    def __init__(self, is_async: bool = False, before_first_node: Callable[[], None] | None = None) -> None:
        if is_async:
            raise ValueError(f"{type(self).__name__} loads and saves one data set after the other; leave out --async")
        super().__init__()
        self.before_first_node = before_first_node

    def _get_executor(self, max_workers: int) -> None:
        """Unused: ``_run`` replaces Kedro's loop."""

    def _make_executor(self, compute: ComputeParameters, tasks: TaskFactory) -> Executor:
        return LocalExecutor(compute, tasks)

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        begin_run()
        section = catalog.load("params:compute") if "params:compute" in catalog else {}
        compute = ComputeParameters.model_validate(section)
        reuse = _reuse_parameter(catalog)
        check_inputs_exist(pipeline, catalog)
        tasks = TaskFactory(compute, catalog, hook_manager, run_id)
        progress = RunProgress(pipeline.nodes, compute)
        with progress, self._make_executor(compute, tasks) as executor:
            leaving = [node for node in pipeline.nodes if executor.leaves_this_process(node)]
            check_outputs_are_kept(pipeline, leaving, catalog, self.memory_remedy)
            _Run(self, pipeline, catalog, run_id, compute, reuse, executor, progress).execute()


@dataclass
class _Plan:
    """A node's fingerprint, and why it has to run. No reason: its outputs are reused."""

    fingerprint: Fingerprint | None
    reason: str


class _Run:
    """One run of a pipeline: which nodes wait, run and are done."""

    def __init__(
        self,
        runner: ReusingRunner,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        run_id: str | None,
        compute: ComputeParameters,
        reuse: bool,
        executor: Executor,
        progress: RunProgress,
    ) -> None:
        self._runner, self._pipeline, self._catalog, self._run_id = runner, pipeline, catalog, run_id
        self._compute, self._reuse, self._executor, self._progress = compute, reuse, executor, progress
        self._load_counts = Counter(chain.from_iterable(node.inputs for node in pipeline.nodes))
        # Short nodes first: others wait for them, and they leave no core idle for long.
        self._waiting = sorted(pipeline.nodes, key=lambda node: compute.tag(node) is not None)
        self._plans: dict[Node, _Plan] = {}
        self._running: set[Node] = set()
        self._done: set[Node] = set()
        self._losses: Counter[Node] = Counter()
        self._reused_names: list[str] = []  # not logged yet
        self._before_first_node = runner.before_first_node
        self._error: Exception | None = None

    def execute(self) -> None:
        """Run or reuse all nodes.

        Raises:
            Exception: the first error of a node, after all running nodes have ended.
        """
        while self._running or (self._waiting and not self._error):
            if not self._error and self._start_ready_nodes():
                continue  # reused nodes may have made others ready
            if not self._running:
                raise RuntimeError(f"no node can start; waiting: {', '.join(node.name for node in self._waiting)}")
            for result in self._executor.wait():
                self._running.remove(result.node)
                self._progress.node_ended(result.node, succeeded=result.error is None)
                if result.error is None:
                    self._finish(result.node)
                elif isinstance(result.error, WorkerLost):
                    self._handle_loss(result.node, result.error)
                else:
                    self._fail(result.node, result.error)
        self._log_reused()
        if self._error:
            raise self._error

    def _start_ready_nodes(self) -> bool:
        """Reuse or start each waiting node whose inputs exist. Returns whether any was reused."""
        dependencies, any_reused = self._pipeline.node_dependencies, False
        for node in list(self._waiting):
            if not dependencies[node] <= self._done:
                continue
            plan = self._plan(node)
            if not plan.reason:
                self._waiting.remove(node)
                self._reused_names.append(node.name)
                self._done.add(node)
                self._progress.node_reused(node)
                any_reused = True
            elif self._submit(node):
                self._waiting.remove(node)
                self._log_reused()
                self._progress.node_starts()
                number = len(self._done) + len(self._running) + 1
                _log.info("Running %s (%d of %d): %s", node.name, number, len(self._pipeline.nodes), plan.reason)
                self._running.add(node)
        return any_reused

    def _plan(self, node: Node) -> _Plan:
        if node not in self._plans:
            current = fingerprint(node, self._catalog, self._compute)
            reason = reason_to_run(node, current, self._catalog) if self._reuse else "reuse is off"
            self._plans[node] = _Plan(current, reason)
        return self._plans[node]

    def _submit(self, node: Node) -> bool:
        check_locks()  # a node's hooks may be called in another process, which does not know of the run's lock
        if self._before_first_node:
            self._before_first_node()
            self._before_first_node = None
        return self._executor.submit(node)

    def _finish(self, node: Node) -> None:
        """Record the results of a node that has ended without an error."""
        check_locks()
        for dataset in map(self._catalog.get, node.outputs):
            if dataset is not None and not dataset._EPHEMERAL:
                dataset.release()  # a worker may have saved a newer version than this catalog knows
        record(node, self._plans[node].fingerprint, self._catalog, self._run_id)
        self._done.add(node)
        self._runner._release_datasets(node, self._catalog, self._load_counts, self._pipeline)

    def _handle_loss(self, node: Node, loss: WorkerLost) -> None:
        """Let a node whose worker was lost run again, or give it up."""
        if self._error or self._losses[node] == RERUNS:
            times = self._losses[node] + 1
            self._fail(node, RuntimeError(f"{node.name} has lost its worker {times} times: {loss}"))
            return
        self._losses[node] += 1
        _log.warning("%s: %s; it is run again (%d of %d)", node.name, loss, self._losses[node], RERUNS)
        self._plans[node].reason = "its worker was lost"
        self._waiting.insert(0, node)

    def _fail(self, node: Node, error: Exception) -> None:
        """Keep the first error; no further node starts."""
        self._error = self._error or error
        _log.error("%s failed; finished nodes are kept and will be reused", node.name)
        if self._running:
            _log.error("Waiting for running nodes: %s", ", ".join(sorted(node.name for node in self._running)))

    def _log_reused(self) -> None:
        if self._reused_names:
            _log.info("Reused: %s", ", ".join(self._reused_names))
            self._reused_names.clear()


def _reuse_parameter(catalog: CatalogProtocol) -> bool:
    """The parameter ``reuse``; on the command line it is text.

    Raises:
        ValueError: it is neither true nor false.
    """
    reuse = catalog.load("params:reuse")
    if str(reuse).lower() not in ("true", "false"):
        raise ValueError(f"the parameter 'reuse' is {reuse!r}; expected true or false")
    return str(reuse).lower() == "true"
