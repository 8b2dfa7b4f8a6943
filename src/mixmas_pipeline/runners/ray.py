"""Nodes as tasks of a Ray cluster: ``kedro run --runner=mixmas_pipeline.runners.ray.RayRunner``.

What a task needs is on every machine: the same packages, and the data root by the same path. Ray itself carries the
node, its parameters and the catalog's entries.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Self

from kedro.pipeline.node import Node

from mixmas_pipeline.runners import ray_worker as remote
from mixmas_pipeline.runners.local import Ended
from mixmas_pipeline.runners.resources import ComputeParameters
from mixmas_pipeline.runners.reusing import Place, ReusingRunner, Tasks
from mixmas_pipeline.runners.task import RemoteTraceback, WorkerLost
from mixmas_pipeline.utils.log_relay import hand_on

_log = logging.getLogger(__name__)


class RayRunner(ReusingRunner):
    """Runs every node as a Ray task, with CPUs and GPUs by its share; reuses and records as ``ReusingRunner`` does.

    Args:
        address: of the cluster, instead of ``compute.ray.address`` (``--runner-params=address=...``).
        is_async: not supported.
    """

    instead: ClassVar[str] = ""

    def __init__(self, is_async: bool = False, address: str | None = None) -> None:
        super().__init__(is_async)
        self._address = address

    def _place(self, compute: ComputeParameters, tasks: Tasks) -> Place:
        return Cluster(compute, tasks.pack, self._address or compute.ray.address)


class Cluster:
    """A Ray cluster. It is connected to when the first node is to be run.

    Args:
        compute: the parameters.
        pack: a node's work as bytes.
        address: see ``RayParameters``.
    """

    def __init__(self, compute: ComputeParameters, pack: Callable[[Node], bytes], address: str) -> None:
        self._compute, self._pack, self._address = compute, pack, address
        self._running: dict[Any, Node] = {}
        self._most: dict[str, float] = {}  # of any machine
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

    def elsewhere(self, nodes: list[Node]) -> list[Node]:
        """All of them."""
        return nodes

    def start(self, node: Node) -> bool:
        """Hand a node to Ray, which runs it as soon as there is room on some machine."""
        import ray

        if self._mailbox is None:
            self._connect()
        cpus, gpus = self._asked(node)
        # Ray's own retries are silent, and count apart from other runners'.
        options: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": 0, "name": node.name}
        task = ray.remote(remote.do).options(**options).remote(self._pack(node), self._mailbox)
        self._running[task] = node
        return True

    def wait(self) -> list[Ended]:
        """Wait until at least one node has ended."""
        import ray

        finished, _ = ray.wait(list(self._running), num_returns=1)
        return [(self._running.pop(task), _error(task)) for task in finished]

    def _connect(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if not ray.is_initialized():
            options: dict[str, Any] = {"include_dashboard": False} if self._address == "local" else {}
            try:
                _reach(self._address)
                ray.init(self._address, logging_level=logging.WARNING, configure_logging=False, **options)
            except (ConnectionError, TimeoutError) as error:
                raise ConnectionError(
                    f"no Ray cluster at the address {self._address!r} ({error}). Start one (`ray start --head`), name "
                    "another (compute.ray.address), or use this machine alone (compute.ray.address=local)"
                ) from error
            self._connected = True
        # Beside the run: it must not be lost with another machine.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox = ray.remote(remote.Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        self._reader = threading.Thread(target=_read, args=(self._mailbox,), daemon=True)
        self._reader.start()
        # Looked up once: when a machine is lost, what is asked for must not change with it.
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for kind in ("CPU", "GPU"):
            self._most[kind] = max(machine.get(kind, 0) for machine in machines)
        total = ray.cluster_resources()
        _log.info("Ray: %d machines, %g CPUs, %g GPUs", len(machines), total.get("CPU", 0), total.get("GPU", 0))

    def _asked(self, node: Node) -> tuple[float, float]:
        """CPUs and GPUs to ask Ray for. A node that wants more CPUs than any machine has gets one to itself."""
        share = self._compute.share(node)
        if self._compute.tag(node) is None:
            return share.threads, 0
        gpus = min(1, self._most["GPU"]) if share.gpus == "auto" else share.gpus
        if gpus > self._most["GPU"]:
            _log.warning("%s waits for a machine with %g GPUs; the cluster had none at the start", node.name, gpus)
        return min(share.threads, self._most["CPU"]), gpus


def _reach(address: str) -> None:
    """Ray itself tries for minutes before it says that nothing answers.

    Raises:
        OSError: nothing answers at host:port.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in address:
        socket.create_connection((host, int(port)), timeout=10).close()


def _error(task: Any) -> Exception | None:
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
    if result is None:
        return None
    raised, text = result
    raised.__cause__ = RemoteTraceback(text)
    return raised


def _read(mailbox: Any) -> None:
    import ray

    while True:
        try:
            records = ray.get(mailbox.take.remote())
        except ray.exceptions.RayError:
            return  # the connection has ended
        for record in records:
            if record is None:
                return
            hand_on(record)
