"""Progress of long work as log lines: readable in a terminal, a notebook and a log file alike."""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Self

_log = logging.getLogger(__name__)


class Progress:
    """Says every few seconds how far a piece of work is, and how long the rest takes at the rate so far. Work that is
    shorter than that says nothing.

    Args:
        total: units of work.
        label: what is done.
        every: seconds between two lines. Default 5.
    """

    def __init__(self, total: int, label: str, every: float = 5.0) -> None:
        self._total, self._label, self._every = total, label, every
        self._done = 0
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count ``units`` as done; ``note`` is appended to the line, if one is due."""
        self._done += units
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            left = (now - self._start) / self._done * (self._total - self._done)
            _log.info(
                "%s: %d of %d (%.0f %%), about %s left%s",
                self._label,
                self._done,
                self._total,
                100 * self._done / self._total,
                duration(left),
                f"; {note}" if note else "",
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and time.monotonic() - self._start >= self._every:
            _log.info("%s: %d done in %s", self._label, self._done, duration(time.monotonic() - self._start))


def duration(seconds: float) -> str:
    """Seconds in the unit that people use: "12 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
