"""Events and lines of long work, where nothing shows them."""

from __future__ import annotations

import logging

import pytest

from mixmas_pipeline.utils.progress import LOGGER, PartStarted, Progress, StepsDone, report


def test_events_and_lines_are_few_and_the_rate_counts_only_new_steps(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One event every half second, one line every five. 40 new steps of an eighth of a second: 60 more take 7.5 s."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    caplog.set_level(logging.DEBUG, LOGGER)
    progress = Progress(200, "training", at_most=True, done=100)
    for _ in range(48):
        now += 0.125
        progress.advance()
    events = [vars(record)["progress"] for record in caplog.records]
    assert len(events) == 1 + 12
    assert events[0] == StepsDone("training: 100 of 200", 100, 200, at_most=True)
    assert events[-1].done == 148
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert lines == ["training: 140 of 200 (70%), at most 7.5 s left"]


def test_an_event_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    report(PartStarted("seed", 1, 2))
    assert not caplog.records
