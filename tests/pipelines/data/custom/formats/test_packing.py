"""Packed files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mixmas_pipeline.pipelines.data.custom.formats.packing import open_unpacked


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "A.CSV.GZ"])
def test_bytes_are_unpacked(name: str, tmp_path: Path) -> None:
    content = b"a,b\n1,2\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)
    with open_unpacked(tmp_path / name) as file:
        assert file.read() == content
