"""Take part, as a further host, in the trainings of a run on another host (``num_nodes`` above 1), one after the other:

    python -m mixmas_pipeline.training.join 10.0.0.1:29500 --host=1

It waits for the run, may be started before it, and goes on to the next training, or the next run, until it is stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import socket
import time
from collections.abc import Sequence
from datetime import timedelta

_log = logging.getLogger("mixmas_pipeline.training.join")  # not __name__: this is run as a command


def main(words: Sequence[str] | None = None) -> None:
    """The command.

    Args:
        words: its arguments. Default: those of the process.
    """
    server, port, host = parse(words)
    from mixmas_pipeline.training.processes import log_as_kedro

    log_as_kedro()
    _log.info("Waiting for a training at %s:%d", server, port)
    last = ""
    with contextlib.suppress(KeyboardInterrupt):  # how it is meant to be stopped
        while True:
            last = _take_part(server, port, host, last)
            time.sleep(1)


def parse(words: Sequence[str] | None) -> tuple[str, int, int]:
    """The run's host and port, and the number of this host. What is wrong is said, and ends the process."""
    parser = argparse.ArgumentParser(prog="python -m mixmas_pipeline.training.join", description=__doc__)
    parser.add_argument("address", help="host:port, as the parameter training.address has it")
    parser.add_argument("--host", type=int, required=True, help="number of this host: from 1 to num_nodes - 1")
    arguments = parser.parse_args(words)
    if arguments.host < 1:
        parser.error(f"--host is {arguments.host}; the host on which the run is started is 0: expected 1 or more")
    server, _, port = arguments.address.rpartition(":")
    if not server or not port.isdigit():
        parser.error(f"the address is {arguments.address!r}; expected host:port")
    return server, int(port), arguments.host


def _take_part(server: str, port: int, host: int, last: str) -> str:
    """Take part in the training that is on, if there is one, and it is not the last one. Returns which it was."""
    try:
        socket.create_connection((server, port), timeout=5).close()
    except OSError:
        return last
    from torch.distributed import DistError, TCPStore

    from mixmas_pipeline.training.processes import run_ranks

    try:
        store = TCPStore(server, port, is_master=False, timeout=timedelta(seconds=20))
        job = json.loads(store.get("job"))
        if job["id"] == last:
            return last
        hosts = job["parameters"]["num_nodes"]
        if host >= hosts:
            raise SystemExit(f"--host is {host}; the run has num_nodes {hosts}: expected 1 to {hosts - 1}")
        if store.add(f"host {host}", 1) > 1:
            raise SystemExit(f"another host has joined as --host={host}; each needs a number of its own")
    except DistError as error:  # the run has just ended
        _log.debug("%s", error)
        return last
    _log.info("Taking part in a training")
    try:
        run_ranks(store, f"{server}:{port}", host, job["devices"])
    except (RuntimeError, FloatingPointError) as error:
        _log.error("%s", error)
    _log.info("Waiting for the next training")
    return job["id"]


if __name__ == "__main__":
    main()
