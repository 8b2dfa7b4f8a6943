"""A worker process of the pool: ``python -m mixmas_pipeline.runners.worker <file descriptor> <parent>``.

It is a program of its own, neither a fork (a fork of a process in which torch has had threads stands still) nor
multiprocessing's spawn (which would run the user's main script once more).
"""

from __future__ import annotations

import ctypes
import logging
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

_PR_SET_PDEATHSIG = 1


def main(descriptor: int, parent: int) -> None:
    """Do what comes over the connection until it ends."""
    _die_with(parent)
    logging.disable(logging.INFO)  # until a node logs: Kedro says which logging configuration it takes
    from mixmas_pipeline.runners.task import failure

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the run too, which ends its workers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that unfinished files are removed
    connection, lock = Connection(descriptor), threading.Lock()

    def send(kind: str, *content: Any) -> None:
        with lock:
            connection.send((kind, *content))

    def send_record(record: logging.LogRecord) -> None:
        send("log", record)

    incoming: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, incoming), daemon=True).start()
    while True:
        try:
            pickle.loads(incoming.get()).do(send_record)
        except Exception as error:
            send("failed", *failure(error))
        else:
            send("done")


def _listen(connection: Connection, incoming: SimpleQueue[bytes]) -> None:
    """Where the connection ends the run has ended, however it did: nothing more is to be written."""
    while True:
        try:
            incoming.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when the run is killed, also in the middle of a long call."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
