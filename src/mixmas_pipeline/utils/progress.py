"""Progress of long work, reported as log records, which cross processes like all other records.

Each record carries an event in its attribute ``progress``. ``runners.progress`` shows the events of a run. Where
nothing shows them (another runner, a function that is called by itself), a line is logged every few seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from mixmas_pipeline.utils.durations import duration

LOGGER = __name__
_EVENT_INTERVAL = 0.5  # seconds between two events of the same work
_log = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class NodeStarted:
    """A node starts, in the process that logs this."""

    node: str


@dataclass(frozen=True)
class PartStarted:
    """The node starts part ``number`` (from 1) ``of`` its parts, which take about the same time each."""

    unit: str  # "seed", for example
    number: int
    of: int


@dataclass(frozen=True)
class StepsDone:
    """Steps of the node's current part that are done; ``text`` says the same in words."""

    text: str
    done: int
    total: int
    at_most: bool = False  # the part may end before its total
    note: str = ""


@dataclass(frozen=True)
class CandidateScored:
    """A candidate has a score; higher is better. A later score of the same candidate and key replaces it."""

    candidate: str
    key: str  # of the training that was scored
    metric: str
    score: float


Event = NodeStarted | PartStarted | StepsDone | CandidateScored


def report(event: Event, line: str = "") -> None:
    """Log an event, and ``line`` where nothing shows events. Default: no line."""
    level = logging.INFO if line else logging.DEBUG
    if _log.isEnabledFor(level):
        # markup=False: brackets in a line are not rich's markup.
        _log.log(level, "%s", line or event, extra={"progress": event, "markup": False})


class Progress:
    """Reports how far a piece of work is: an event every half second and a line every few seconds, with the time left
    at the rate so far. Shorter work logs no line.

    Args:
        total: units of work.
        label: name of the work.
        every: seconds between two lines. Default 5.
        describe: text for a number of units done. Default: "label: 3 of 10".
        at_most: the work may end before its total. Default false.
        done: units that were done before. Default 0.
    """

    def __init__(
        self,
        total: int,
        label: str,
        every: float = 5.0,
        *,
        describe: Callable[[int], str] | None = None,
        at_most: bool = False,
        done: int = 0,
    ) -> None:
        self._total, self._label, self._every = total, label, every
        self._describe, self._at_most = describe, at_most
        self._done = self._done_before = done
        self._start = self._last_event = self._last_line = time.monotonic()
        report(self._event())

    def __enter__(self) -> Self:
        return self

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count ``units`` as done. The ``note`` is shown with the next event, if one is due now."""
        self._done += units
        now, line = time.monotonic(), ""
        if now - self._last_event < _EVENT_INTERVAL:
            return
        self._last_event = now
        if now - self._last_line >= self._every:
            self._last_line = now
            line = self._line(now, note)
        report(self._event(note), line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._start
        if kind is None and seconds >= self._every:
            report(self._event(), f"{self._label}: {self._done} done in {duration(seconds)}")

    def _event(self, note: str = "") -> StepsDone:
        text = self._describe(self._done) if self._describe else f"{self._label}: {self._done} of {self._total}"
        return StepsDone(text, self._done, self._total, self._at_most, note)

    def _line(self, now: float, note: str) -> str:
        text = self._event().text if self._describe is None else f"{self._label}: {self._event().text}"
        line = f"{text} ({self._done / max(1, self._total):.0%})"
        if new := self._done - self._done_before:
            seconds = (now - self._start) / new * (self._total - self._done)
            line += f", {'at most' if self._at_most else 'about'} {duration(seconds)} left"
        return f"{line}; {note}" if note else line
