"""Shows a run's progress while it goes on: at the foot of a terminal, in a notebook's cell, or as lines of the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Protocol, Self

from kedro.pipeline.node import Node
from rich.console import Group
from rich.logging import RichHandler
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mixmas_pipeline.runners.board import Board, Job, Row
from mixmas_pipeline.runners.resources import ComputeParameters
from mixmas_pipeline.utils.progress import LOGGER, Event, duration

# Seconds between two lines: a twentieth of what the run has taken so far, within these bounds.
_SOONEST, _LATEST = 10.0, 60.0
# Seconds between two pictures.
_PICTURE = 0.5
# Columns that are left free in a terminal. It shows ^C where the cursor is, at the end of the last line: that must not
# begin a new one.
_ECHO = 4
_log = logging.getLogger(__name__)


class Display(logging.Handler):
    """Shows what nodes tell of their progress, in this process and in others, as long as it is entered.

    Lines are logged in any case. Where the log goes to a terminal or a notebook's cell there is a picture too, and the
    lines are kept from there.

    Args:
        nodes: of the run.
        compute: says which nodes are short.
    """

    def __init__(self, nodes: Iterable[Node], compute: ComputeParameters) -> None:
        super().__init__()
        self._board = Board({node.name: _job(node, compute) for node in nodes})
        self._state = threading.RLock()
        self._picture: Picture | None = None
        self._opened = False
        self._said = self._board.start

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
        logger = logging.getLogger(LOGGER)
        logger.removeHandler(self)
        level, logger.propagate = self._before
        logger.setLevel(level)
        if self._picture is not None:
            self._picture.close()
        board = self._board
        if self._opened and board.done == board.total:
            run, taken = board.total - board.reused, duration(board.elapsed())
            _log.info("%d node%s run in %s, %d reused", run, "" if run == 1 else "s", taken, board.reused)

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record's event. An error in it is shown, and ends neither the run nor the thread that reads what a
        worker sends."""
        try:
            self._take(record)
        except Exception:
            self.handleError(record)
        return True

    def _take(self, record: logging.LogRecord) -> None:
        # No lock is held while anything is written: who writes may have to draw first.
        event: Event = vars(record)["progress"]  # nothing else is logged there
        with self._state:
            self._board.take(event, getattr(record, "node", None))
            line = self._board.line() if self._line_is_due() else ""
        if line:
            _log.info("%s", line, extra={"markup": False})
        if self._picture is not None:
            self._picture.update()

    def open(self) -> None:
        """Something is going to run."""
        if not self._opened:
            self._opened = True
            self._picture = open_picture(self._draw)

    def reused(self, node: Node) -> None:
        """A node need not be run."""
        with self._state:
            self._board.reuse(node.name)

    def ended(self, node: Node, *, well: bool) -> None:
        """A node has ended."""
        with self._state:
            self._board.end(node.name, well=well)

    def _line_is_due(self) -> bool:
        now, pause = self._board.clock(), min(_LATEST, max(_SOONEST, self._board.elapsed() / 20))
        if now - self._said < pause:
            return False
        self._said = now
        return True

    def _draw(self, width: int, height: int) -> Table:
        with self._state:
            return draw(self._board, width, height)


def _job(node: Node, compute: ComputeParameters) -> Job:
    stage, _, name = node.name.rpartition(".")
    return Job(stage, name, getattr(node.func, "__name__", name), short=compute.tag(node) is None)


# --- where it is drawn ----------------------------------------------------------------------------------------------
Draw = Callable[[int, int], Table]


class Picture(Protocol):
    """Where the board is drawn."""

    def update(self) -> None:
        """Something has happened."""

    def close(self) -> None:
        """Nothing more will."""


def open_picture(draw: Draw) -> Picture | None:
    """A picture where the log goes; None where that is no terminal and no notebook, or wants no animations
    (``TERM=dumb``, ``TTY_INTERACTIVE=0``).

    Args:
        draw: the board, for so many columns and lines.
    """
    for handler in logging.root.handlers:
        if isinstance(handler, RichHandler):
            if handler.console.is_jupyter:
                return NotebookPicture(draw, handler)
            if handler.console.is_interactive and handler.console.file.isatty():
                return TerminalPicture(draw, handler)
    return None


class TerminalPicture:
    """At the foot of the terminal, as long as it is open; what is logged or printed goes above it."""

    def __init__(self, draw: Draw, handler: RichHandler) -> None:
        from rich.live import Live

        console = handler.console
        self._quiet = _Quiet(handler, lambda record: record.name != __name__)
        self._live = Live(
            get_renderable=lambda: draw(console.width - _ECHO, console.height),
            console=console,
            refresh_per_second=1 / _PICTURE,
            transient=True,
        )
        self._live.start()

    def update(self) -> None:
        """Nothing: it is drawn at regular times, by a thread of its own."""

    def close(self) -> None:
        """Leave the terminal as if it had not been."""
        self._live.stop()
        self._quiet.end()


class NotebookPicture:
    """The output of the cell, renewed in place. Of the log it has warnings and errors only."""

    def __init__(self, draw: Draw, handler: RichHandler) -> None:
        from IPython.display import display

        self._draw, self._console = draw, handler.console
        self._drawn = time.monotonic()
        self._quiet = _Quiet(handler, lambda record: record.levelno >= logging.WARNING)
        self._output: Any = display(self._table(), display_id=True)

    def update(self) -> None:
        """Draw anew, if the last time is not just now."""
        if time.monotonic() - self._drawn >= _PICTURE:
            self._drawn = time.monotonic()
            self._output.update(self._table())

    def close(self) -> None:
        """Leave the last state."""
        self._output.update(self._table())
        self._quiet.end()

    def _table(self) -> Table:
        return self._draw(self._console.width, 100)


class _Quiet:
    """Keeps records from a handler until it ends."""

    def __init__(self, handler: logging.Handler, wanted: Callable[[logging.LogRecord], bool]) -> None:
        self._handler, self._wanted = handler, wanted
        handler.addFilter(wanted)

    def end(self) -> None:
        """Let all through again."""
        self._handler.removeFilter(self._wanted)


# --- what is drawn --------------------------------------------------------------------------------------------------
def draw(board: Board, width: int, height: int) -> Table:
    """The board as a table: all of the run; then every stage with its best so far, and below it what is under way.

    Args:
        width: columns; nothing is wrapped.
        height: lines of the terminal, of which at most a half are taken.
    """
    lines: list[Any] = []
    for stage in board.stages():
        lines.append(_stage_line(board, stage))
        for row in board.under_way(stage):
            lines.append(_row_line(row, board.clock(), width))
            if row.note:
                lines.append(_note_line(row, width))
    room = max(3, height // 2 - 1)
    if len(lines) > room:
        lines[room - 1 :] = [Text(f"  and {len(lines) - room + 1} lines more", style="dim")]
    whole = Table.grid(expand=True)
    whole.width = width
    whole.add_row(Group(_first_line(board), *lines))
    return whole


def _first_line(board: Board) -> Table:
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    bar = ProgressBar(total=board.total, completed=board.done)
    line.add_row(f"{board.done} of {board.total} nodes", bar, board.times())
    return line


def _stage_line(board: Board, stage: str) -> Text:
    done, total = board.count(stage)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(stage.replace(".", " "), style="bold")
    line.append(f"  {done} of {total} done")
    if best := board.best(stage):
        line.append(f", {best}", style="green")
    return line


def _row_line(row: Row, now: float, width: int) -> Table:
    left = row.step_left(now)
    bar: Text | ProgressBar = Text("")
    end = f"for {duration(now - row.began)}"
    if row.step is not None and left is not None:
        bar = ProgressBar(total=row.step.total, completed=row.step.done)
        end = f"up to {duration(left)}" if row.may_end_sooner else f"{duration(left)} left"
    line = _columns(width)
    line.add_column(width=max(6, width // 12))
    line.add_column(width=16, no_wrap=True, justify="right")
    line.add_row(f"  {row.job.name}", row.said(), bar, Text(end, style="cyan"))
    return line


def _note_line(row: Row, width: int) -> Table:
    line = _columns(width)
    line.add_row("", Text(row.note, style="green"))
    return line


def _columns(width: int) -> Table:
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(width=max(20, min(44, width // 4)), no_wrap=True, overflow="ellipsis")
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    return line
