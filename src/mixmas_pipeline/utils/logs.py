"""The log in a file or a pipe, and loggers that are quiet for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.logging import RichHandler


class LineHandler(logging.Handler):
    """Writes one line per record, however long, so that programs can read the log line by line.

    Args:
        console: is written to.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self._write(record)
        except Exception:
            self.handleError(record)

    def _write(self, record: logging.LogRecord) -> None:
        time = datetime.fromtimestamp(record.created).strftime("[%H:%M:%S]")
        line = f"{time} {record.levelname:8} {self.format(record)}"
        self._console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def log_lines() -> None:
    """Replace Kedro's handlers by a ``LineHandler`` where they write to neither a terminal nor a notebook.

    ``conf/logging.yml`` cannot do this: Kedro accepts only its own handlers there.
    """
    for number, handler in enumerate(logging.root.handlers):
        if isinstance(handler, RichHandler) and not (handler.console.is_terminal or handler.console.is_jupyter):
            lines = LineHandler(handler.console)
            lines.setLevel(handler.level)
            logging.root.handlers[number] = lines


@contextmanager
def quiet(*names: str, level: int = logging.ERROR) -> Iterator[None]:
    """Silence loggers meanwhile.

    Args:
        names: of the loggers.
        level: from which on records are logged. Default errors.
    """
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)
