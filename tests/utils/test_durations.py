"""Durations as text."""

from __future__ import annotations

import pytest

from mixmas_pipeline.utils.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(4, "4.0 s", id="seconds"),
        pytest.param(59.6, "1 min 0 s", id="rounded up"),
        pytest.param(200, "3 min 20 s", id="minutes"),
        pytest.param(7500, "2 h 5 min", id="hours"),
    ],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text
