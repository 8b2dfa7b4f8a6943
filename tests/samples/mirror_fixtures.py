"""Shared by the tests of the data sets: the mirror of real data, and its absence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def mirror_folder() -> Path:
    """The folder of real data; tests that ask for it are skipped where there is none."""
    if not os.environ.get("MIXMAS_MIRROR"):
        pytest.skip("reads real data: set MIXMAS_MIRROR to a folder laid out as shared/datasets")
    return Path(os.environ["MIXMAS_MIRROR"])


@pytest.fixture
def no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody had named a mirror, and as if there were no proxy: downloads go where the test says."""
    monkeypatch.delenv("MIXMAS_MIRROR", raising=False)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def own_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty mirror folder that the test fills."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("MIXMAS_MIRROR", str(folder))
    return folder
