"""Progress of long work, told by log records, which get from one process to another as all others do.

Each carries an event in its attribute ``progress``. ``runners.display`` shows the events of a run. Where nothing shows
them (other runners, a function called by itself) a line every few seconds is logged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

LOGGER = __name__
# Seconds between two events of the same work.
_EVENT = 0.5
_log = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class Begun:
    """A node begins, in the process that logs this."""

    node: str


@dataclass(frozen=True)
class Part:
    """The node begins one of its parts, which take about the same time each.

    Attributes:
        unit: what the parts are, for example "seed".
        number: of the part, from 1.
        of: how many there are.
    """

    unit: str
    number: int
    of: int


@dataclass(frozen=True)
class Step:
    """How far the work is that the node is at.

    Attributes:
        text: the same in words.
        done, total: units of work.
        left: seconds that the rest takes at the rate so far; None where nothing is known.
        at_most: the work may end before its total.
        note: what else there is to say.
    """

    text: str
    done: int
    total: int
    left: float | None
    at_most: bool
    note: str


@dataclass(frozen=True)
class Scored:
    """A candidate has a score.

    Attributes:
        candidate: its name.
        key: of the training that was scored; a later score of the same candidate and key takes its place.
        metric: the score's name.
        score: higher is better.
    """

    candidate: str
    key: str
    metric: str
    score: float


Event = Begun | Part | Step | Scored


def tell(event: Event, line: str = "") -> None:
    """Log an event.

    Args:
        line: what is to be read where nothing shows events. Default: nothing.
    """
    level = logging.INFO if line else logging.DEBUG
    if _log.isEnabledFor(level):
        # Brackets in a line are no markup of rich's.
        _log.log(level, "%s", line or event, extra={"progress": event, "markup": False})


class Progress:
    """Tells how far a piece of work is, and how long the rest takes at the rate so far: events every half a second, and
    a line every few seconds, which work that is shorter than that has none of.

    Args:
        total: units of work.
        label: what is done.
        every: seconds between two lines. Default 5.
        describe: what is said of so many units done. Default: "label: 3 of 10".
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
        self._done = self._before = done
        self._start = self._told = self._said = time.monotonic()
        tell(self._event(self._start, ""))

    def __enter__(self) -> Self:
        return self

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count ``units`` as done; ``note`` is told with it, if an event is due."""
        self._done += units
        now = time.monotonic()
        if now - self._told < _EVENT:
            return
        self._told = now
        event, line = self._event(now, note), ""
        if now - self._said >= self._every:
            self._said = now
            what = event.text if self._describe is None else f"{self._label}: {event.text}"
            left = "" if event.left is None else f", {left_text(event.left, at_most=event.at_most)}"
            line = f"{what} ({self._done / max(1, self._total):.0%}){left}{f'; {note}' if note else ''}"
        tell(event, line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        taken = time.monotonic() - self._start
        if kind is None and taken >= self._every:
            event = self._event(time.monotonic(), "")
            tell(event, f"{self._label}: {self._done} done in {duration(taken)}")

    def _event(self, now: float, note: str) -> Step:
        fresh = self._done - self._before
        left = (now - self._start) / fresh * (self._total - self._done) if fresh else None
        text = self._describe(self._done) if self._describe else f"{self._label}: {self._done} of {self._total}"
        return Step(text, self._done, self._total, left, self._at_most, note)


def left_text(seconds: float, *, at_most: bool = False, at_least: bool = False) -> str:
    """How long something takes yet: "about 3 min 20 s left"."""
    how = "at most" if at_most else "at least" if at_least else "about"
    return f"{how} {duration(max(0.0, seconds))} left"


def duration(seconds: float) -> str:
    """Seconds in the unit that people use: "12 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
