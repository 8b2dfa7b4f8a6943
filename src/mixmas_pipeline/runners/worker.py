"""A worker process on this machine: a loky executor with a single process, whose log records and output the run shows.

loky starts it as a new program. It does not fork (the fork of a process in which torch had threads hangs) and does not
run the user's main script again. One executor per worker, because a lost process breaks its executor: the nodes of
other workers go on.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import sys
import threading
import warnings
from concurrent.futures import BrokenExecutor, Future, wait
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from loky import ProcessPoolExecutor

from mixmas_pipeline.runners.remote import RemoteError, WorkerLost, run_packed_task
from mixmas_pipeline.utils.remote_logs import handle_record, log_output

_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)
_PATIENCE = 10.0  # seconds for a node to remove its unfinished files, or for its last records to arrive
# Without pgrep loky can only kill the worker itself, which is enough.
warnings.filterwarnings("ignore", message="Failed to kill subprocesses", module=r"loky\.")


class Worker:
    """Runs one node at a time.

    Args:
        cuda_visible_devices: of the process. None: as in this process.
    """

    def __init__(self, cuda_visible_devices: str | None) -> None:
        self.cuda_visible_devices = cuda_visible_devices
        self.lost = False
        self._node, self._pid = "", 0
        self._future: Future[RemoteError | None] | None = None
        self._all_records_handled = threading.Event()
        self._messages, messages = Pipe(duplex=False)
        self._output, output = Pipe(duplex=False)
        self._ends_of_worker = messages, output
        # One thread until a node asks for more: a BLAS starts one thread per core, in each worker.
        # And loky must not replace a worker whose memory grows: a node may keep what it wants.
        environment = {"OMP_NUM_THREADS": "1", "LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}
        if cuda_visible_devices is not None:
            environment["CUDA_VISIBLE_DEVICES"] = cuda_visible_devices
        self._executor = ProcessPoolExecutor(
            max_workers=1, initializer=_start, initargs=(messages, output, os.getpid()), env=environment
        )
        self._readers = [
            threading.Thread(target=self._read_messages, daemon=True),
            threading.Thread(target=self._read_output, daemon=True),
        ]

    def submit(self, node: str, packed: bytes) -> Future[RemoteError | None]:
        """Start a packed task.

        Raises:
            BrokenExecutor: the process has been killed while it was idle.
        """
        self._node = node
        self._all_records_handled.clear()
        self._future = self._executor.submit(_run, packed)
        for end in self._ends_of_worker:
            end.close()  # so that the pipes end with the worker
        for reader in self._readers:
            if reader.ident is None:
                reader.start()
        return self._future

    def error(self) -> Exception | None:
        """The error of the node that has ended, after its last log record was handled."""
        assert self._future is not None
        error = self._future.exception()
        if isinstance(error, BrokenExecutor):
            self.close()
            return WorkerLost(_reason(str(error)))
        self._all_records_handled.wait(_PATIENCE)
        if error is not None:
            return RuntimeError(f"{self._node} has ended its process: {error!r}")
        failure = self._future.result()
        return failure.restored() if failure else None

    def interrupt(self) -> None:
        """Stop the node and let the process remove unfinished files; do not wait for it."""
        if self._pid:
            with suppress(ProcessLookupError):  # it has just been killed
                os.kill(self._pid, signal.SIGTERM)

    def close(self) -> None:
        """End the process at once and handle its last records and output."""
        self.lost = True
        self._executor.shutdown(kill_workers=True)
        for end in self._ends_of_worker:
            end.close()
        for reader in self._readers:
            if reader.ident is not None:
                reader.join(1.0)  # longer only if the node started a process that is still alive
        for reader, end in zip(self._readers, (self._messages, self._output), strict=True):
            if not reader.is_alive():  # else it would go on with whatever next gets the number of its file descriptor
                end.close()

    def _read_messages(self) -> None:
        while True:
            try:
                message = self._messages.recv()
            except (EOFError, OSError):
                return
            except Exception as error:  # go on: if nothing read the pipe any more, the worker would wait for ever
                _log.warning("%s: a log record cannot be read: %s", self._node, error)
                continue
            if isinstance(message, logging.LogRecord):
                handle_record(message)
            elif message is None:
                self._all_records_handled.set()
            else:
                self._pid = message

    def _read_output(self) -> None:
        with open(self._output.fileno(), errors="replace", closefd=False) as lines:
            log_output(lines, lambda: self._node)


def stop(workers: list[Worker]) -> None:
    """Stop the nodes of busy workers, wait until they have removed their unfinished files, and end all processes."""
    busy = [worker._future for worker in workers if worker._future and not worker._future.done()]
    for worker in workers:
        if worker._future in busy:
            worker.interrupt()
    wait(busy, _PATIENCE)
    for worker in workers:
        worker.close()


def _reason(message: str) -> str:
    """How a process ended, from loky's message."""
    if (found := re.search(r"exit codes of the workers are \{(\w+)\((-?\d+)\)", message)) is None:
        return f"its process ended ({message.splitlines()[0]})"
    name, code = found.groups()
    if not name.startswith("SIG"):
        return f"its process ended with {code}"
    memory = " (by the system, if memory was short: a lower compute.cores needs less)" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{memory}"


# --- in the worker ---------------------------------------------------------------------------------------------------
_messages: Connection
_sending = threading.Lock()  # a thread of the node may log while the node ends


def _start(messages: Connection, output: Connection, parent: int) -> None:
    """Connect this process to the run.

    Args:
        messages: takes this process's id, then log records, and None after each node.
        output: takes what is printed.
        parent: process id of the run.
    """
    global _messages
    _end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the run too, which stops its workers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that unfinished files are removed
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _messages = messages
    _send(os.getpid())


def _send(message: logging.LogRecord | int | None) -> None:
    with _sending:
        _messages.send(message)


def _run(packed: bytes) -> RemoteError | None:
    try:
        return run_packed_task(packed, _send)
    finally:
        _send(None)


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when the run is killed, even in the middle of a long call."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
