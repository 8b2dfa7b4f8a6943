"""Log records of other processes. They send each record; the run handles it as if it had been logged there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from logging.handlers import QueueHandler
from typing import IO

_log = logging.getLogger(__name__)
# What a process prints may look like Rich's markup.
LITERAL = {"markup": False}


class SendingHandler(QueueHandler):
    """Sends log records with their text complete. A record that cannot be sent is dropped: the work goes on.

    Args:
        send: sends one record.
        node: name of the node, put before the text and into the record's attribute ``node``. Default: none.
    """

    def __init__(self, send: Callable[[logging.LogRecord], None], node: str = "") -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self._send, self._node = send, node

    def enqueue(self, record: logging.LogRecord) -> None:
        if self._node:
            record.msg = record.message = f"{self._node}: {record.msg}"
            record.node = self._node
        self._send(record)


def logger_levels() -> dict[str, int]:
    """The levels of this process's loggers by name. The root logger's name is ""."""
    loggers = logging.root.manager.loggerDict.items()
    levels = {name: logger.level for name, logger in loggers if isinstance(logger, logging.Logger) and logger.level}
    return {"": logging.root.level, **levels}


def send_all_records(handler: SendingHandler, levels: dict[str, int]) -> None:
    """Make ``handler`` this process's only one.

    Args:
        levels: of the loggers, see ``logger_levels``.
    """
    logging.disable(logging.NOTSET)
    for logger, level in levels.items():
        logging.getLogger(logger or None).setLevel(level)
    logging.root.handlers = [handler]


def handle_record(record: logging.LogRecord) -> None:
    """Handle a record that another process has sent."""
    logging.getLogger(record.name).handle(record)


def log_output(lines: Iterable[str] | IO[str], name: Callable[[], str]) -> None:
    """Log each line that another process prints, itself or from C, up to its last moment.

    Args:
        name: text before each line.
    """
    for line in lines:
        _log.info("%s: %s", name(), line.rstrip(), extra=LITERAL)
