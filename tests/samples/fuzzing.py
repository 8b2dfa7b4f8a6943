"""How many examples a fuzz test draws: a few that are always the same or, on demand, many new ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

VARIABLE = "MIXMAS_FUZZ"  # number of examples


def examples(usual: int) -> Callable[[Any], Any]:
    """Settings of a fuzz test.

    Args:
        usual: number of examples, without the variable.
    """
    slow = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
    if count := os.environ.get(VARIABLE):
        return settings(max_examples=int(count), deadline=None, suppress_health_check=slow)
    return settings(max_examples=usual, deadline=None, suppress_health_check=slow, derandomize=True, database=None)
