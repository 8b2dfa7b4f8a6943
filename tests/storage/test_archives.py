"""Zip archives are read only if no member points outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_samples import make_zip

from mixmas_pipeline.storage.archives import open_archive
from mixmas_pipeline.storage.errors import StorageError


@pytest.mark.parametrize(
    "name", ["../evil.wav", "a/../../evil.wav", "/etc/evil.wav", "..\\evil.wav", "C:\\evil.wav", "\\evil.wav"]
)
def test_a_member_that_points_outside_is_refused(name: str, tmp_path: Path) -> None:
    path = make_zip(tmp_path / "evil.zip", {"good.wav": b"1", name: b"2"})
    with pytest.raises(StorageError, match="points outside the archive") as caught:
        open_archive(path)
    assert str(path) in str(caught.value)
    assert "evil.wav" in str(caught.value)


@pytest.mark.parametrize("name", ["./", "./a.wav", "a..b/c..wav", "sub/./a.wav"])
def test_a_harmless_member_is_admitted(name: str, tmp_path: Path) -> None:
    """Archives made by bsdtar and others begin with the member ``./``."""
    path = make_zip(tmp_path / "good.zip", {name: b"", "good.wav": b"1"})
    with open_archive(path) as archive:
        assert archive.read("good.wav") == b"1"
