"""What runs in Ray's processes. Nothing of Kedro is imported before it is told to be quiet: at its import it says which
logging configuration it takes, which nobody needs to know of every process of a cluster."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
from typing import Any


def do(work: bytes, mailbox: Any) -> tuple[Exception, str] | None:
    """Do a node's packed ``Work``: None, or the node's error with its traceback.

    Args:
        mailbox: actor of ``Mailbox``, for the log.
    """
    logging.disable(logging.INFO)
    import ray

    from mixmas_pipeline.runners.task import failure

    last: list[Any] = []

    def send(record: logging.LogRecord) -> None:
        last[:] = [mailbox.put.remote(record)]

    try:
        pickle.loads(work).do(send, f"runs on {socket.gethostname()}, process {os.getpid()}")
    except Exception as error:
        return failure(error)
    finally:
        ray.wait(last, timeout=10)  # what was logged is there before the node counts as done
    return None


class Mailbox:
    """Log records on their way from all workers to the run; an actor."""

    def __init__(self) -> None:
        self._records: asyncio.Queue[logging.LogRecord | None] = asyncio.Queue()

    async def put(self, record: logging.LogRecord | None) -> None:
        """Add one; None is the last."""
        await self._records.put(record)

    async def take(self) -> list[logging.LogRecord | None]:
        """Wait for at least one, and give all that are there."""
        records = [await self._records.get()]
        while not self._records.empty():
            records.append(self._records.get_nowait())
        return records
