"""The record of how the newest version of another data set was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kedro.io import DatasetError, Version

from mixmas_pipeline.datasets.artefacts import JSONDataset
from mixmas_pipeline.datasets.model import FolderDataset, RecordDataset


def test_it_is_that_of_the_newest_version_and_only_read(tmp_path: Path) -> None:
    place = tmp_path / "model.json"
    for version, seed in (("2026-01-01T00.00.00.000Z", 1), ("2026-01-02T00.00.00.000Z", 2)):
        made = JSONDataset(filepath=str(place), version=Version(None, version))
        made.save({"seed": seed})
        told = {"dataset": "x", "run": version, "content": "c", "fingerprint": {"parameters": {"s": seed}}}
        record = {**told, "node": "n", "stat": []}
        (place / version / "provenance.json").write_text(json.dumps(record))
        found = RecordDataset(filepath=str(place), version=Version(None, None))
        assert found.load() == told
        assert found.exists()
    older = RecordDataset(filepath=str(place), version=Version("2026-01-01T00.00.00.000Z", None))
    assert older.load()["run"] == "2026-01-01T00.00.00.000Z"
    assert older.fingerprint() != found.fingerprint()
    with pytest.raises(DatasetError, match="the record is only read"):
        RecordDataset(filepath=str(tmp_path / "other")).save({})


@pytest.mark.parametrize("content", [None, "{", '{"run": "a", "fingerprint": null}'])
def test_where_nothing_is_recorded_it_is_empty(tmp_path: Path, content: str | None) -> None:
    place = tmp_path / "model.json"
    JSONDataset(filepath=str(place), version=Version(None, "2026-01-01T00.00.00.000Z")).save({})
    if content is not None:
        (place / "2026-01-01T00.00.00.000Z" / "provenance.json").write_text(content)
    assert RecordDataset(filepath=str(place), version=Version(None, None)).load() == {}


def test_a_file_of_a_folder_stays_in_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'../b' cannot be a file of the folder; expected a name without a path"):
        FolderDataset(filepath=str(tmp_path / "folder")).save({"a": b"1", "../b": b"2"})
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "folder").exists()
