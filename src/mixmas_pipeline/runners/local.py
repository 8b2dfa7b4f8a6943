"""Nodes on this machine: in the process of the run, and, as soon as several can run at once, in worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from kedro.pipeline.node import Node

from mixmas_pipeline.runners.resources import ComputeParameters, cores_here, gpus_here, threads
from mixmas_pipeline.runners.task import RemoteTraceback, WorkerLost
from mixmas_pipeline.utils.log_relay import echo, hand_on

Ended = tuple[Node, Exception | None]
_PATIENCE = 10.0


class Machine:
    """Takes nodes as long as there is room for their share.

    Nodes without a tag, and nodes beside which nothing else has room, run in this process; others in workers, each a
    process that is kept for the next node. No worker is started for a single node.

    Args:
        compute: the parameters.
        run: runs a node in this process.
        pack: a node's work as bytes, for a worker.
    """

    def __init__(self, compute: ComputeParameters, run: Callable[[Node], None], pack: Callable[[Node], bytes]) -> None:
        self._compute, self._run, self._pack = compute, run, pack
        self._cores = cores_here() if compute.cores == "auto" else compute.cores
        self._gpus: list[float] | None = None  # what is free of each; looked up when a node is to be run
        self._taken: dict[Node, tuple[int, dict[int, float]]] = {}
        self._here: list[Node] = []
        self._queued: list[Node] = []
        self._working: dict[_Worker, Node] = {}
        self._idle: list[_Worker] = []
        self._has_workers = False  # has had any: what lost its worker is not run in the process of the run
        self._ended: SimpleQueue[tuple[_Worker, Exception | None]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._working:
            worker.interrupt()
        for worker in [*self._working, *self._idle]:
            worker.close()

    def elsewhere(self, nodes: list[Node]) -> list[Node]:
        """Those nodes that may come to run in another process."""
        return [node for node in nodes if not self._runs_here(node)]

    def start(self, node: Node) -> bool:
        """Take a node, if there is room for it; it runs at the latest during ``wait``.

        Raises:
            ValueError: the node's share asks for more GPUs than this machine has.
        """
        here = self._runs_here(node)
        cores = self._cores_of(node)
        if (here and self._here) or cores > self._cores - sum(taken for taken, _ in self._taken.values()):
            return False
        if (gpus := self._allot(node)) is None:
            return False
        for gpu, share in gpus.items():
            self._free_gpus()[gpu] -= share
        self._taken[node] = (cores, gpus)
        (self._here if here else self._queued).append(node)
        return True

    def wait(self) -> list[Ended]:
        """Wait until at least one node has ended: those, each with its error, if it had one."""
        if self._has_workers or len(self._queued) > 1 or any(map(self._blind, self._queued)):
            for node in self._queued:
                self._send(node)
            self._queued = []
        if not self._here and not self._working:
            self._here, self._queued = self._queued, []  # alone: it needs no process of its own
        ended = [(node, self._do(node)) for node in self._here]
        self._here = []
        while self._working:
            try:
                worker, error = self._ended.get(block=not ended)
            except Empty:
                break
            if worker not in self._working:  # it was killed while it had nothing to do
                if worker in self._idle:
                    self._idle.remove(worker)
                continue
            ended.append((self._working.pop(worker), error))
            if worker.alive:
                self._idle.append(worker)
        for node, _ in ended:
            for gpu, share in self._taken.pop(node)[1].items():
                self._free_gpus()[gpu] += share
        return ended

    def _cores_of(self, node: Node) -> int:
        """A node that wants more than there are runs alone."""
        return min(self._compute.share(node).threads, self._cores)

    def _runs_here(self, node: Node) -> bool:
        if self._compute.tag(node) is None:
            return True
        return self._cores_of(node) == self._cores and not self._blind(node)

    def _blind(self, node: Node) -> bool:
        """Whether GPUs that this process sees are to be hidden from the node."""
        return self._compute.share(node).gpus == 0 and bool(self._free_gpus())

    def _do(self, node: Node) -> Exception | None:
        try:
            with threads(self._compute.share(node).threads):
                self._run(node)
        except Exception as error:
            return error
        return None

    def _send(self, node: Node) -> None:
        visible = self._visible(node)
        worker = next((worker for worker in self._idle if worker.alive and worker.visible == visible), None)
        if worker is None:
            worker = _Worker(visible, self._ended)
            self._has_workers = True
        else:
            self._idle.remove(worker)
        self._working[worker] = node
        worker.send(node.name, self._pack(node))

    # --- GPUs -------------------------------------------------------------------------------------------------------
    def _free_gpus(self) -> list[float]:
        if self._gpus is None:
            self._gpus = [1.0] * gpus_here()
        return self._gpus

    def _allot(self, node: Node) -> dict[int, float] | None:
        """The GPUs that a node gets, and how much of each; None where it has to wait."""
        if (tag := self._compute.tag(node)) is None:
            return {}
        asked, free = self._compute.share(node).gpus, self._free_gpus()
        wanted: float = min(1, len(free)) if asked == "auto" else asked
        if wanted > len(free):
            raise ValueError(f"compute.shares.{tag}.gpus is {wanted}; this machine has {len(free)}")
        if wanted == 0:
            return {}
        share = min(1.0, wanted)
        # Of those with room the fullest first, so that whole ones are left for nodes that need them.
        roomy = sorted((gpu for gpu in range(len(free)) if free[gpu] > share - 1e-9), key=lambda gpu: free[gpu])
        count = max(1, round(wanted))
        return dict.fromkeys(roomy[:count], share) if len(roomy) >= count else None

    def _visible(self, node: Node) -> str | None:
        """CUDA_VISIBLE_DEVICES of the node's worker; None where there is nothing to be hidden."""
        if not self._free_gpus():
            return None
        given = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = given.split(",") if given else [str(gpu) for gpu in range(len(self._free_gpus()))]
        return ",".join(names[gpu] for gpu in sorted(self._taken[node][1]))


class _Worker:
    """A worker process, and the thread that reads what comes from it.

    Args:
        visible: its CUDA_VISIBLE_DEVICES; None to leave that alone.
        ended: gets this worker when its work has ended, with the error, if there was one.
    """

    def __init__(self, visible: str | None, ended: SimpleQueue[tuple[_Worker, Exception | None]]) -> None:
        self.visible, self._ended, self._name = visible, ended, ""
        self._connection, theirs = Pipe()
        paths = [path or str(Path.cwd()) for path in sys.path]
        # One thread until a node says more: a BLAS that starts one a core, in as many workers, would start thousands.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        if visible is not None:
            environment["CUDA_VISIBLE_DEVICES"] = visible
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mixmas_pipeline.runners.worker", str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        theirs.close()
        self.alive = True
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=echo, args=(self._process.stdout, lambda: self._name), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def send(self, name: str, work: bytes) -> None:
        """Have the work of the node ``name`` done."""
        self._name = name
        with suppress(OSError):  # where it has died meanwhile, the reading thread says so
            self._connection.send_bytes(work)

    def interrupt(self) -> None:
        """Stop the work, and let the process remove unfinished files."""
        self.alive = False
        self._process.terminate()

    def close(self) -> None:
        """End the process, and show what it has said."""
        if not self.alive:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
        self.alive = False
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join(1.0)  # longer only where a process of the node's own has survived it
        self._connection.close()

    def _read(self) -> None:
        while True:
            try:
                kind, *content = self._connection.recv()
            except (EOFError, OSError):
                break
            if kind == "log":
                hand_on(content[0])
            else:
                self._ended.put((self, self._error(*content) if kind == "failed" else None))
        if self.alive:
            self.alive = False
            self._ended.put((self, WorkerLost(_how(self._process.wait()))))

    @staticmethod
    def _error(error: Exception, text: str) -> Exception:
        error.__cause__ = RemoteTraceback(text)
        return error


def _how(code: int) -> str:
    if code != -signal.SIGKILL:
        return (
            f"its process was killed by {signal.Signals(-code).name}" if code < 0 else f"its process ended with {code}"
        )
    return "its process was killed by SIGKILL (by the system, if memory was short: a lower compute.cores needs less)"
