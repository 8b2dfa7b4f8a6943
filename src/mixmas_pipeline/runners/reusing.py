"""The runner that reuses what is there: run the same command again and only what is missing or changed is done."""

from __future__ import annotations

import logging
from collections import Counter
from itertools import chain
from typing import Any, ClassVar, Protocol, Self

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner
from kedro.runner.task import Task
from pluggy import PluginManager

from mixmas_pipeline.runners.fingerprints import Fingerprint, fingerprint, record, up_to_date
from mixmas_pipeline.runners.local import Ended, Machine
from mixmas_pipeline.runners.progress import Display
from mixmas_pipeline.runners.resources import ComputeParameters
from mixmas_pipeline.runners.task import Work, WorkerLost, discard, refuse_memory_only, refuse_missing_inputs
from mixmas_pipeline.storage.locks import check_locks
from mixmas_pipeline.utils.log_relay import levels
from mixmas_pipeline.utils.progress import Begun, tell

RERUNS = 2
_log = logging.getLogger(__name__)


class Place(Protocol):
    """Where nodes run."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: Any) -> None:
        """Stop what is still running there."""

    def elsewhere(self, nodes: list[Node]) -> list[Node]:
        """Those nodes that may come to run in another process than this one."""

    def start(self, node: Node) -> bool:
        """Take a node to run it; False if there is no room now. With nothing under way there is always room."""

    def wait(self) -> list[Ended]:
        """Wait until some nodes that were taken have ended."""


class ReusingRunner(AbstractRunner):
    """Runs every node as soon as its inputs are there and there is room for it, and skips a node whose outputs were
    made from the same things before.

    It is what ``kedro run`` uses unless another ``--runner`` than Kedro's sequential one is named. The parameter
    ``reuse: false`` makes everything anew; what is made is recorded all the same. The section ``compute`` says how much
    runs at once. Fingerprints are taken and records are written in this process, wherever nodes run.

    A node whose worker is lost is run again, up to twice. After a node's error no other is started; those that run are
    let finish, and are recorded.
    """

    # What can be done about a pipeline that hands on something in memory.
    instead: ClassVar[str] = ", or run with compute.cores=1"

    def __init__(self, is_async: bool = False) -> None:
        if is_async:
            raise ValueError(f"{type(self).__name__} loads and saves one after the other; leave out --async")
        super().__init__()

    def _get_executor(self, max_workers: int) -> None:
        return None

    def _place(self, compute: ComputeParameters, tasks: Tasks) -> Place:
        return Machine(compute, tasks.run, tasks.pack)

    @staticmethod
    def _may_go_on() -> bool:
        """True. Hooks of nodes may be called in other processes, which cannot tell that the data root was lost.

        Raises:
            DataRootBusy: another run has taken the data root over.
        """
        check_locks()
        return True

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
        section = catalog.load("params:compute") if "params:compute" in catalog else {}
        compute = ComputeParameters.model_validate(section)
        refuse_missing_inputs(pipeline, catalog)
        dependencies = pipeline.node_dependencies
        load_counts = Counter(chain.from_iterable(node.inputs for node in nodes))
        # Short nodes first: others wait for them, and they leave no core idle for long.
        waiting = sorted(nodes, key=lambda node: compute.tag(node) is not None)
        plans: dict[Node, tuple[Fingerprint | None, str]] = {}
        done: set[Node] = set()
        running: set[Node] = set()
        lost: Counter[Node] = Counter()
        reused: list[str] = []
        failed: Exception | None = None

        def tell_reused() -> None:
            if reused:
                _log.info("Reused: %s", ", ".join(reused))
                reused.clear()

        tasks = Tasks(compute, catalog, hook_manager, run_id)
        with Display(nodes, compute) as display, self._place(compute, tasks) as place:
            refuse_memory_only(pipeline, place.elsewhere(nodes), catalog, self.instead)
            while (waiting and not failed) or running:
                before = len(done)
                for node in [] if failed else list(waiting):
                    if not dependencies[node] <= done:
                        continue
                    if node not in plans:
                        made_from = fingerprint(node, catalog, compute)
                        plans[node] = made_from, up_to_date(node, made_from, catalog) if reuse else "reuse is off"
                    reason = plans[node][1]
                    if not reason:
                        reused.append(node.name)
                        done.add(node)
                        display.reused(node)
                    elif self._may_go_on() and place.start(node):
                        tell_reused()
                        display.open()
                        number = len(done) + len(running) + 1
                        _log.info("Running %s (%d of %d): %s", node.name, number, len(nodes), reason)
                        running.add(node)
                    else:
                        continue
                    waiting.remove(node)
                if len(done) > before:
                    continue  # what was reused may have made others ready
                if not running:
                    raise RuntimeError(f"no node can be started; waiting: {', '.join(node.name for node in waiting)}")
                for node, error in place.wait():
                    running.remove(node)
                    display.ended(node, well=error is None)
                    if error is None:
                        self._may_go_on()
                        _forget_versions(node, catalog)
                        record(node, plans[node][0], catalog, run_id)
                        done.add(node)
                        self._release_datasets(node, catalog, load_counts, pipeline)
                    elif isinstance(error, WorkerLost) and lost[node] < RERUNS and not failed:
                        lost[node] += 1
                        _log.warning("%s: %s; it is run again (%d of %d)", node.name, error, lost[node], RERUNS)
                        plans[node] = plans[node][0], "its worker was lost"
                        waiting.insert(0, node)
                    else:
                        if isinstance(error, WorkerLost):
                            error = RuntimeError(f"{node.name} has lost its worker {lost[node] + 1} times: {error}")
                        failed = failed or error
                        _log.error("%s failed; what was finished before it is kept and will be reused", node.name)
                        if running:
                            _log.error("Waiting for what is running: %s", ", ".join(sorted(n.name for n in running)))
        tell_reused()
        if failed:
            raise failed


def _forget_versions(node: Node, catalog: CatalogProtocol) -> None:
    """A node that ran elsewhere has saved newer versions than the catalog here has seen."""
    for dataset in map(catalog.get, node.outputs):
        if dataset is not None and not dataset._EPHEMERAL:
            dataset.release()


class Tasks:
    """Makes of a node what is to be done."""

    def __init__(
        self,
        compute: ComputeParameters,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None,
        run_id: str | None,
    ) -> None:
        self._compute, self._catalog, self._hook_manager, self._run_id = compute, catalog, hook_manager, run_id

    def run(self, node: Node) -> None:
        """Run the node in this process."""
        tell(Begun(node.name))
        discard(node, self._catalog)
        Task(node, self._catalog, is_async=False, hook_manager=self._hook_manager, run_id=self._run_id).execute()

    def pack(self, node: Node) -> bytes:
        """The node's work as bytes, for another process."""
        from kedro.framework.project import PACKAGE_NAME

        threads = self._compute.share(node).threads
        return Work(node, self._catalog, self._run_id, threads, PACKAGE_NAME, levels()).pack()
