"""Public source files in the catalog: fetched at a load, shown and named without one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from kedro.io import DatasetError

from mixmas_pipeline.datasets.download import DownloadDataset

CONTENT = b"one two three"


class Text(DownloadDataset):
    """A file of text."""

    def _read(self, path: Path) -> str:
        return path.read_text()


def source(folder: Path, sha256: str | None = None) -> Text:
    return Text(filepath=str(folder / "raw/a.txt"), mirror="texts/a.txt", url="http://127.0.0.1:9/a.txt", sha256=sha256)


@pytest.fixture
def mirrored(own_mirror: Path) -> Path:
    (own_mirror / "texts").mkdir()
    (own_mirror / "texts/a.txt").write_bytes(CONTENT)
    return own_mirror


def test_a_load_fetches_the_file_and_a_preview_does_not(mirrored: Path, tmp_path: Path) -> None:
    dataset = source(tmp_path, hashlib.sha256(CONTENT).hexdigest())
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"raw/a\.txt has not been fetched yet; a run does it"):
        dataset.fetched()
    assert dataset.load() == CONTENT.decode()
    assert dataset.exists()
    assert dataset.fetched() == tmp_path / "raw/a.txt"


def test_another_content_is_an_error_of_the_catalog_that_names_both_hashes(mirrored: Path, tmp_path: Path) -> None:
    actual = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(DatasetError) as caught:
        source(tmp_path, "0" * 64).load()
    assert actual in str(caught.value)
    assert "0" * 64 in str(caught.value)
    assert not (tmp_path / "raw/a.txt").exists()


def test_the_declared_hash_is_the_fingerprint_before_and_after_the_load(mirrored: Path, tmp_path: Path) -> None:
    declared = hashlib.sha256(CONTENT).hexdigest()
    dataset = source(tmp_path, declared)
    assert dataset.fingerprint() == declared
    dataset.load()
    assert dataset.fingerprint() == declared


def test_without_a_declared_hash_a_change_of_the_file_changes_the_fingerprint(mirrored: Path, tmp_path: Path) -> None:
    dataset = source(tmp_path)
    before = dataset.fingerprint()
    dataset.load()
    loaded = dataset.fingerprint()
    (tmp_path / "raw/a.txt").write_bytes(CONTENT + b" four")
    assert len({before, loaded, dataset.fingerprint()}) == 3


def test_a_source_is_only_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.txt is a source file; it is only read"):
        source(tmp_path).save("a")
