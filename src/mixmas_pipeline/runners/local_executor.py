"""Nodes on this machine: in the process of the run, and in workers as soon as nodes can run side by side."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from kedro.pipeline.node import Node

from mixmas_pipeline.runners.executor import NodeResult
from mixmas_pipeline.runners.remote import RemoteError
from mixmas_pipeline.runners.task import TaskFactory
from mixmas_pipeline.runners.worker import Worker, stop
from mixmas_pipeline.utils.resources import ComputeParameters, cores_here, gpus_here, threads


@dataclass(frozen=True)
class Reservation:
    """What a node takes while it runs: cores, and the share of each GPU by its number."""

    cores: int
    gpus: dict[int, float]


class LocalExecutor:
    """Accepts nodes while there are cores and GPUs for them.

    Nodes without a tag, and nodes that take all cores, run in this process. Others run in workers, which are kept for
    the next node. A single node starts no worker.

    Args:
        compute: the section ``compute``.
        tasks: makes the nodes' tasks.
    """

    def __init__(self, compute: ComputeParameters, tasks: TaskFactory) -> None:
        self._compute, self._tasks = compute, tasks
        self._cores = cores_here() if compute.cores == "auto" else compute.cores
        self._gpus = GpuPool()
        self._reserved: dict[Node, Reservation] = {}
        self._local: list[Node] = []  # to run in this process
        self._queued: list[Node] = []  # to run in a worker, or in this process if there is only one
        self._running: dict[Future[RemoteError | None], tuple[Node, Worker]] = {}
        self._idle: list[Worker] = []
        self._uses_workers = False  # from the first worker on: a node that kills its worker must not kill the run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop([*(worker for _, worker in self._running.values()), *self._idle])

    def leaves_this_process(self, node: Node) -> bool:
        """Whether the node may run in a worker."""
        if self._compute.tag(node) is None:
            return False
        return self._cores_of(node) < self._cores or self._hides_gpus(node)

    def submit(self, node: Node) -> bool:
        """Accept a node if there are cores and GPUs for it.

        Raises:
            ValueError: the node's share asks for more GPUs than this machine has.
        """
        local, cores = not self.leaves_this_process(node), self._cores_of(node)
        free_cores = self._cores - sum(reserved.cores for reserved in self._reserved.values())
        if (local and self._local) or cores > free_cores:
            return False
        gpus: dict[int, float] | None = {}
        if tag := self._compute.tag(node):
            gpus = self._gpus.reserve(self._compute.share(node).gpus, f"compute.shares.{tag}.gpus")
        if gpus is None:
            return False
        self._reserved[node] = Reservation(cores, gpus)
        (self._local if local else self._queued).append(node)
        return True

    def wait(self) -> list[NodeResult]:
        """Wait until at least one accepted node has ended."""
        self._start_queued()
        results = [NodeResult(node, self._run_in_this_process(node)) for node in self._local]
        self._local = []
        ended, _ = wait(self._running, 0 if results else None, FIRST_COMPLETED)
        for future in ended:
            node, worker = self._running.pop(future)
            results.append(NodeResult(node, worker.error()))
            if not worker.lost:
                self._idle.append(worker)
        for result in results:
            self._gpus.release(self._reserved.pop(result.node).gpus)
        return results

    def _start_queued(self) -> None:
        """Start the queued nodes in workers. A node that runs alone needs none."""
        if self._uses_workers or len(self._queued) > 1 or any(map(self._hides_gpus, self._queued)):
            self._uses_workers |= bool(self._queued)
            for node in self._queued:
                self._start_in_worker(node)
            self._queued = []
        elif not self._local:
            self._local, self._queued = self._queued, []

    def _start_in_worker(self, node: Node) -> None:
        visible, packed = self._gpus.visible_devices(self._reserved[node].gpus), self._tasks.pack(node)
        for worker in [worker for worker in self._idle if worker.cuda_visible_devices == visible]:
            self._idle.remove(worker)
            try:
                self._running[worker.submit(node.name, packed)] = node, worker
            except BrokenExecutor:  # it was killed while it was idle
                worker.close()
            else:
                return
        worker = Worker(visible)
        self._running[worker.submit(node.name, packed)] = node, worker

    def _run_in_this_process(self, node: Node) -> Exception | None:
        try:
            with threads(self._compute.share(node).threads):
                self._tasks.run(node)
        except Exception as error:
            return error
        return None

    def _cores_of(self, node: Node) -> int:
        """Cores to reserve. A node that wants more than there are runs alone."""
        return min(self._compute.share(node).threads, self._cores)

    def _hides_gpus(self, node: Node) -> bool:
        """Whether the node must not see the GPUs that this process sees."""
        return self._compute.share(node).gpus == 0 and self._gpus.count > 0


class GpuPool:
    """The GPUs that this process sees, counted when the first node asks, and the free share of each."""

    def __init__(self) -> None:
        self._free: list[float] | None = None

    @property
    def count(self) -> int:
        """Number of GPUs."""
        return len(self._shares())

    def reserve(self, asked: float | str, key: str) -> dict[int, float] | None:
        """Reserve GPUs: the share of each by its number. None: there are not enough free ones now.

        Args:
            asked: a whole number, a share of one below 1, or "auto": one where there is one.
            key: the parameter that asks for them.

        Raises:
            ValueError: this machine has fewer.
        """
        free = self._shares()
        wanted = float(min(1, len(free))) if isinstance(asked, str) else asked
        if wanted > len(free):
            raise ValueError(f"{key} is {wanted}; this machine has {len(free)}")
        if wanted == 0:
            return {}
        share, count = min(1.0, wanted), max(1, round(wanted))
        # The fullest GPUs first, to keep whole ones free for nodes that need them.
        fitting = sorted((gpu for gpu in range(len(free)) if free[gpu] > share - 1e-9), key=lambda gpu: free[gpu])
        if len(fitting) < count:
            return None
        reserved = dict.fromkeys(fitting[:count], share)
        for gpu in reserved:
            free[gpu] -= share
        return reserved

    def release(self, reserved: dict[int, float]) -> None:
        """Give reserved GPUs back."""
        for gpu, share in reserved.items():
            self._shares()[gpu] += share

    def visible_devices(self, reserved: dict[int, float]) -> str | None:
        """CUDA_VISIBLE_DEVICES of a worker that sees only the reserved GPUs. None: this machine has no GPUs."""
        if not self.count:
            return None
        given = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = given.split(",") if given else [str(gpu) for gpu in range(self.count)]
        return ",".join(names[gpu] for gpu in sorted(reserved))

    def _shares(self) -> list[float]:
        if self._free is None:
            self._free = [1.0] * gpus_here()
        return self._free
