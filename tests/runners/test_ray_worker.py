"""A worker's side of Ray, with a stand-in for Ray itself; test_ray.py has a cluster."""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from mixmas_pipeline.runners import ray_worker
from mixmas_pipeline.runners.ray_worker import LogMailbox


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("name", logging.INFO, "file", 1, text, (), None)


def test_the_mailbox_gives_all_records_once_and_in_order() -> None:
    first, second = record("first"), record("second")

    async def deliver() -> list[list[logging.LogRecord | None]]:
        mailbox = LogMailbox()
        await mailbox.put(first)
        await mailbox.put(second)
        taken = [await mailbox.take()]
        await mailbox.put(None)
        return [*taken, await mailbox.take()]

    assert asyncio.run(deliver()) == [[first, second], [None]]


def test_taking_from_an_empty_mailbox_waits() -> None:
    late = record("late")

    async def deliver() -> tuple[bool, list[logging.LogRecord | None]]:
        mailbox = LogMailbox()
        taking = asyncio.create_task(mailbox.take())
        await asyncio.sleep(0.01)
        waited = not taking.done()
        await mailbox.put(late)
        return waited, await asyncio.wait_for(taking, 5)

    assert asyncio.run(deliver()) == (True, [late])


class PackedTask:
    """Logs two records, and fails if it has an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def run(self, send_record: Any, location: str) -> None:
        send_record(record(location))
        send_record(record("done"))
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, LookupError("no such thing")])
def test_the_last_record_arrives_before_the_node_ends(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error too: it explains what went wrong."""
    events: list[str] = []

    def send(sent: logging.LogRecord) -> str:
        events.append(sent.getMessage())
        return f"receipt of {sent.getMessage()}"

    def wait(receipts: list[str], timeout: float) -> None:
        events.append(f"waits for {', '.join(receipts)}")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(wait=wait))
    mailbox = SimpleNamespace(put=SimpleNamespace(remote=send))
    disabled = logging.root.manager.disable
    try:
        result = ray_worker.run(pickle.dumps(PackedTask(error)), mailbox)
    finally:
        logging.disable(disabled)
    assert events[0].startswith("runs on ")
    assert events[1:] == ["done", "waits for receipt of done"]
    if error is None:
        assert result is None
    else:
        assert result is not None
        assert isinstance(result.restored(), LookupError)
