"""Nodes as tasks of a Ray cluster: ``kedro run --runner=mixmas_pipeline.runners.ray.RayRunner``.

Each machine needs the same packages, and the data root under the same path. Ray carries the node, its parameters and
the entries of the catalog.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Self

from kedro.pipeline.node import Node

from mixmas_pipeline.runners import ray_worker
from mixmas_pipeline.runners.executor import Executor, NodeResult
from mixmas_pipeline.runners.remote import WorkerLost
from mixmas_pipeline.runners.reusing import ReusingRunner
from mixmas_pipeline.runners.task import TaskFactory
from mixmas_pipeline.utils.remote_logs import handle_record
from mixmas_pipeline.utils.resources import ComputeParameters

_log = logging.getLogger(__name__)


class RayRunner(ReusingRunner):
    """Runs each node as a Ray task with the CPUs and GPUs of its share. Reuses and records like ``ReusingRunner``.

    Args:
        is_async: not supported.
        address: of the cluster, instead of ``compute.ray.address`` (``--runner-params=address=...``).
        before_first_node: see ``ReusingRunner``.
    """

    memory_remedy: ClassVar[str] = ""

    def __init__(
        self,
        is_async: bool = False,
        address: str | None = None,
        before_first_node: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(is_async, before_first_node)
        self._address = address

    def _make_executor(self, compute: ComputeParameters, tasks: TaskFactory) -> Executor:
        return RayExecutor(compute, tasks, self._address or compute.ray.address)


class RayExecutor:
    """Connects to a Ray cluster when the first node has to run.

    Args:
        compute: the section ``compute``.
        tasks: packs the nodes' tasks.
        address: see ``RayParameters``.
    """

    def __init__(self, compute: ComputeParameters, tasks: TaskFactory, address: str) -> None:
        self._compute, self._tasks, self._address = compute, tasks, address
        self._running: dict[Any, Node] = {}
        self._largest: dict[str, float] = {}  # CPUs and GPUs of the largest machine
        self._mailbox: Any = None
        self._reader: threading.Thread | None = None
        self._connected = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mailbox is None:
            return
        import ray

        for task in self._running:
            ray.cancel(task, force=True)
        self._mailbox.put.remote(None)
        assert self._reader is not None
        self._reader.join(10.0)
        ray.kill(self._mailbox)
        if self._connected:
            ray.shutdown()

    def leaves_this_process(self, node: Node) -> bool:
        """True: all nodes do."""
        return True

    def submit(self, node: Node) -> bool:
        """Hand a node to Ray, which runs it as soon as a machine has room."""
        import ray

        if self._mailbox is None:
            self._connect()
        cpus, gpus = self._resources(node)
        # No retries by Ray: they are silent, and the runner counts its own.
        options: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": 0, "name": node.name}
        task = ray.remote(ray_worker.run).options(**options).remote(self._tasks.pack(node), self._mailbox)
        self._running[task] = node
        return True

    def wait(self) -> list[NodeResult]:
        """Wait until at least one node has ended."""
        import ray

        finished, _ = ray.wait(list(self._running), num_returns=1)
        return [NodeResult(self._running.pop(task), _error(task)) for task in finished]

    def _connect(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if not ray.is_initialized():
            options: dict[str, Any] = {"include_dashboard": False} if self._address == "local" else {}
            try:
                _check_reachable(self._address)
                ray.init(self._address, logging_level=logging.WARNING, configure_logging=False, **options)
            except (ConnectionError, TimeoutError) as error:
                raise ConnectionError(
                    f"no Ray cluster at the address {self._address!r} ({error}). Start one (`ray start --head`), name "
                    "another (compute.ray.address), or use this machine alone (compute.ray.address=local)"
                ) from error
            self._connected = True
        # On the machine of the run: it must not be lost with another machine.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox = ray.remote(ray_worker.LogMailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        self._reader = threading.Thread(target=_handle_records, args=(self._mailbox,), daemon=True)
        self._reader.start()
        # Looked up once: the loss of a machine must not change what a node asks for.
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for kind in ("CPU", "GPU"):
            self._largest[kind] = max(machine.get(kind, 0) for machine in machines)
        total = ray.cluster_resources()
        _log.info("Ray: %d machines, %g CPUs, %g GPUs", len(machines), total.get("CPU", 0), total.get("GPU", 0))

    def _resources(self, node: Node) -> tuple[float, float]:
        """CPUs and GPUs to ask Ray for. A node that wants more CPUs than any machine has takes a whole machine."""
        share = self._compute.share(node)
        if self._compute.tag(node) is None:
            return share.threads, 0
        gpus = min(1, self._largest["GPU"]) if share.gpus == "auto" else share.gpus
        if gpus > self._largest["GPU"]:
            _log.warning("%s waits for a machine with %g GPUs; the cluster had none at the start", node.name, gpus)
        return min(share.threads, self._largest["CPU"]), gpus


def _check_reachable(address: str) -> None:
    """Check that something answers. Ray itself tries for minutes before it gives up.

    Raises:
        OSError: nothing answers at host:port.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in address:
        socket.create_connection((host, int(port)), timeout=10).close()


def _error(task: Any) -> Exception | None:
    """The error of a Ray task that has ended."""
    import ray

    try:
        result = ray.get(task)
    except (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.LocalRayletDiedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.ObjectLostError,
    ) as error:
        return WorkerLost(f"its worker or machine was lost ({type(error).__name__}: {str(error).splitlines()[0]})")
    return result.restored() if result else None


def _handle_records(mailbox: Any) -> None:
    """Handle the records of all workers until None arrives or the connection ends."""
    import ray

    while True:
        try:
            records = ray.get(mailbox.take.remote())
        except ray.exceptions.RayError:
            return
        for record in records:
            if record is None:
                return
            handle_record(record)
