"""The record of how the newest version of another data set was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from atomic_samples import JSONFile
from kedro.io import DatasetError, Version

from mixmas_pipeline.datasets.record import RecordDataset


def test_it_is_that_of_the_newest_version_and_only_read(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for version, seed in (("2026-01-01T00.00.00.000Z", 1), ("2026-01-02T00.00.00.000Z", 2)):
        made = JSONFile(filepath=str(path), version=Version(None, version))
        made.save({"seed": seed})
        shown = {"dataset": "x", "run": version, "content": "c", "fingerprint": {"parameters": {"s": str(seed)}}}
        record = {**shown, "node": "n", "stat": []}
        (path / version / "provenance.json").write_text(json.dumps(record))
        found = RecordDataset(filepath=str(path), version=Version(None, None))
        assert found.load().model_dump(exclude_defaults=True) == shown
        assert found.exists()
    older = RecordDataset(filepath=str(path), version=Version("2026-01-01T00.00.00.000Z", None))
    assert older.load().run == "2026-01-01T00.00.00.000Z"
    assert older.fingerprint() != found.fingerprint()
    with pytest.raises(DatasetError, match="the record is only read"):
        RecordDataset(filepath=str(tmp_path / "other")).save({})


@pytest.mark.parametrize("content", [None, "{", '{"run": "a", "fingerprint": null}'])
def test_without_a_record_it_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "model.json"
    JSONFile(filepath=str(path), version=Version(None, "2026-01-01T00.00.00.000Z")).save({})
    if content is not None:
        (path / "2026-01-01T00.00.00.000Z" / "provenance.json").write_text(content)
    assert RecordDataset(filepath=str(path), version=Version(None, None)).load() is None
