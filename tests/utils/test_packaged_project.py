"""The project that the package brings along."""

from __future__ import annotations

from pathlib import Path

import pytest
from project_runs import ROOT

from mixmas_pipeline.utils.packaged_project import PROJECT


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.mark.parametrize("folder", ["conf/base", "conf/paper", "notebooks"])
def test_it_has_every_file_of_the_checkout(folder: str) -> None:
    assert contents(ROOT / folder)
    assert contents(PROJECT / folder) == contents(ROOT / folder)
