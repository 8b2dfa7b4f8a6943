"""Shows the progress of a run: live in a terminal or a notebook, as a line now and then in a file or a pipe."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from kedro.pipeline.node import Node
from rich.console import RenderableType
from rich.constrain import Constrain
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from mixmas_pipeline.runners.run_status import NodeInfo, RunStatus
from mixmas_pipeline.utils.durations import duration
from mixmas_pipeline.utils.progress import LOGGER
from mixmas_pipeline.utils.resources import ComputeParameters

_SHORTEST_PAUSE, _LONGEST_PAUSE = 10.0, 60.0  # seconds between two log lines
_REFRESH = 0.5  # seconds between two live pictures
_log = logging.getLogger(__name__)


class RunProgress(logging.Handler):
    """Shows the events that nodes report, in this process and in others, while it is entered."""

    def __init__(self, nodes: Iterable[Node], compute: ComputeParameters) -> None:
        super().__init__()
        infos = [NodeInfo(n.name, getattr(n.func, "__name__", n.name), short=compute.tag(n) is None) for n in nodes]
        self._status, self._status_lock = RunStatus(infos), threading.RLock()
        self._live: LiveProgress | None = None
        self._any_started, self._last_line = False, self._status.start

    def __enter__(self) -> Self:
        logger = logging.getLogger(LOGGER)
        self._before = logger.level, logger.propagate
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logger, status = logging.getLogger(LOGGER), self._status
        logger.removeHandler(self)
        level, logger.propagate = self._before
        logger.setLevel(level)
        if self._live is not None:
            self._live.close()
        if self._any_started and len(status.done) == status.total:
            run, seconds = status.total - len(status.reused), duration(status.clock() - status.start)
            _log.info("%d node%s run in %s, %d reused", run, "" if run == 1 else "s", seconds, len(status.reused))

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record's event. An error here is shown; it stops neither the run nor the thread that calls this."""
        try:
            # The lock is free while a line is logged: the console may have to draw first, which takes the lock.
            with self._status_lock:
                self._status.take(vars(record)["progress"], getattr(record, "node", None))
                line = self._status.line() if self._line_is_due() else ""
            if line:
                _log.info("%s", line, extra={"markup": False})
            if self._live is not None:
                self._live.changed()
        except Exception:
            self.handleError(record)
        return True

    def node_starts(self) -> None:
        """A node is about to run. The first one opens the live display, unless the log goes to a file or a pipe."""
        handlers = [handler for handler in logging.root.handlers if isinstance(handler, RichHandler)]
        handler = next((handler for handler in handlers if _can_be_live(handler)), None)
        if not self._any_started and handler is not None:
            self._live = LiveProgress(self._status, self._status_lock, handler)
        self._any_started = True

    def node_reused(self, node: Node) -> None:
        """A node's results are reused."""
        with self._status_lock:
            self._status.reuse(node.name)

    def node_ended(self, node: Node, *, succeeded: bool) -> None:
        """A node has ended."""
        with self._status_lock:
            self._status.end(node.name, succeeded=succeeded)

    def _line_is_due(self) -> bool:
        """A line is due after a twentieth of the elapsed time, within the bounds."""
        now = self._status.clock()
        pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, (now - self._status.start) / 20))
        due = now - self._last_line >= pause
        self._last_line = now if due else self._last_line
        return due


def _can_be_live(handler: RichHandler) -> bool:
    """False for a file, a pipe, ``TERM=dumb`` and ``TTY_INTERACTIVE=0``."""
    console = handler.console
    return console.is_jupyter or (console.is_interactive and console.file.isatty())


class LiveProgress(Progress):
    """One bar for the run, one row per node under way, one line per stage with its best candidate so far.

    A terminal shows it below the log, without the log lines of this module. A notebook shows it in the cell's output,
    with warnings and errors only.

    Args:
        status: is drawn under ``lock``.
        handler: writes the log to the same console.
    """

    def __init__(self, status: RunStatus, lock: threading.RLock, handler: RichHandler) -> None:
        self._status, self._status_lock, self._handler = status, lock, handler
        self._cell: Any = None  # the output of a notebook's cell
        super().__init__(
            TextColumn(
                "{task.description}", markup=False, table_column=Column(min_width=16, max_width=28, no_wrap=True)
            ),
            TextColumn("{task.fields[text]}", markup=False, table_column=Column(ratio=5, no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[time]}", style="cyan", table_column=Column(no_wrap=True)),
            console=handler.console,
            refresh_per_second=1 / _REFRESH,
            transient=True,
            expand=True,
        )
        handler.addFilter(self._is_logged)
        if not handler.console.is_jupyter:
            self.start()
            return
        from IPython.display import display

        self._cell = display(self, display_id=True)
        self._drawn = time.monotonic()

    def _is_logged(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING if self._cell else record.name != __name__

    def changed(self) -> None:
        """The status has changed. A thread redraws a terminal; this call redraws a notebook."""
        if self._cell is not None and time.monotonic() - self._drawn >= _REFRESH:
            self._drawn = time.monotonic()
            self._cell.update(self)

    def close(self) -> None:
        """Clear the terminal's display; leave the last state in a notebook."""
        self.stop()
        if self._cell is not None:
            self._cell.update(self)
        self._handler.removeFilter(self._is_logged)

    def get_renderable(self) -> RenderableType:
        """The display. Four columns stay free: a terminal echoes ^C at the end of the last line."""
        return Constrain(super().get_renderable(), self._handler.console.width - 4)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The lines, from the status as it is now. rich cuts off what the terminal has no room for."""
        with self._status_lock:
            status, now = self._status, self._status.clock()
            done = f"{len(status.done)} of {status.total} nodes"
            yield self.make_tasks_table([self._row(done, "", status.summary(), len(status.done) / status.total)])
            yield self.make_tasks_table(
                self._row(*node.cells(now), node.last.fraction) for node in status.active.values()
            )
            yield from (Text(line, style="green", no_wrap=True) for line in status.best().values())

    def _row(self, name: str, text: str, time: str, fraction: float) -> Task:
        task = Task(TaskID(0), name, 1, fraction, self._status.clock, fields={"text": text, "time": time})
        task.start_time = 0.0 if fraction else None  # the bar pulses as long as nothing is known
        return task
