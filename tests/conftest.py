"""Shared by all tests: one thread a process, and where the real data is."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parents[1]
MIRROR = "MIXMAS_MIRROR"

# Small tensors: more threads than one a process only wait for each other. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shared machines are slow at times; what is to be fast is measured in benchmarks/.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

if MIRROR not in os.environ and (ROOT.parent / "shared" / "datasets").is_dir():
    os.environ[MIRROR] = str(ROOT.parent / "shared" / "datasets")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the real data say so when they are skipped."""
    if MIRROR not in os.environ:
        for item in items:
            if "mirror" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"needs the real data in the folder named by {MIRROR}"))
