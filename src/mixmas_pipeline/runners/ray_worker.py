"""What runs in Ray's processes."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Any

from mixmas_pipeline.runners.remote import RemoteError, run_packed_task


def run(packed: bytes, mailbox: Any) -> RemoteError | None:
    """Run a packed ``NodeTask``. Returns the node's error, or None.

    Args:
        mailbox: actor of ``LogMailbox``.
    """
    import ray

    last: list[Any] = []

    def send_record(record: logging.LogRecord) -> None:
        last[:] = [mailbox.put.remote(record)]

    try:
        return run_packed_task(packed, send_record, f"runs on {socket.gethostname()}, process {os.getpid()}")
    finally:
        ray.wait(last, timeout=10)  # the records arrive before the node counts as done


class LogMailbox:
    """An actor that holds the log records of all workers until the run takes them."""

    def __init__(self) -> None:
        self._records: asyncio.Queue[logging.LogRecord | None] = asyncio.Queue()

    async def put(self, record: logging.LogRecord | None) -> None:
        """Add a record. None is the last."""
        await self._records.put(record)

    async def take(self) -> list[logging.LogRecord | None]:
        """Wait for at least one record; return all that have arrived."""
        records = [await self._records.get()]
        while not self._records.empty():
            records.append(self._records.get_nowait())
        return records
