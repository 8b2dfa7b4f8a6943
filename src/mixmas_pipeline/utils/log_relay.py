"""Log records of other processes: sent by them, and handled where they arrive as if they had been logged there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from typing import IO

_log = logging.getLogger(__name__)


class Sender(QueueHandler):
    """Sends log records, their text complete. A record that cannot be sent is dropped: no work is lost for it.

    Args:
        send: sends one.
        name: of the node, which is put before the text and into the record's attribute ``node``. Default: left out.
    """

    def __init__(self, send: Callable[[logging.LogRecord], None], name: str = "") -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self._send, self._name = send, name

    def enqueue(self, record: logging.LogRecord) -> None:
        if self._name:
            record.msg = record.message = f"{self._name}: {record.msg}"
            record.node = self._name
        self._send(record)


def levels() -> dict[str, int]:
    """Levels of this process's loggers by name; the root's is that of ""."""
    known = logging.root.manager.loggerDict.items()
    found = {name: logger.level for name, logger in known if isinstance(logger, logging.Logger) and logger.level}
    return {"": logging.root.level, **found}


def send_all(sender: Sender, levels: dict[str, int]) -> None:
    """Have this process send what it logs, instead of anything else.

    Args:
        levels: of its loggers, see ``levels``.
    """
    logging.disable(logging.NOTSET)
    for logger, level in levels.items():
        logging.getLogger(logger or None).setLevel(level)
    logging.root.handlers = [sender]


def hand_on(record: logging.LogRecord) -> None:
    """Handle a record that has arrived."""
    logging.getLogger(record.name).handle(record)


def hand_on_all(connection: Connection) -> None:
    """Handle all records that come over a connection, until it ends."""
    try:
        while True:
            hand_on(connection.recv())
    except (EOFError, OSError):
        return


def echo(output: IO[str], name: Callable[[], str]) -> None:
    """Log what a process prints, by itself or by libraries in C, or in its last moment.

    Args:
        name: goes before each line.
    """
    for line in output:
        _log.info("%s: %s", name(), line.rstrip())
