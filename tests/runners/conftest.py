"""Shared by the tests of the runners."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from child_processes import workers


@pytest.fixture(autouse=True)
def _no_worker_survives() -> Iterator[None]:
    """Each run ends its workers, however it ends."""
    yield
    assert not workers(os.getpid())
