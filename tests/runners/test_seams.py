"""Where a record goes, and a data root that was lost while nodes run elsewhere."""

from __future__ import annotations

from pathlib import Path

import probes
import pytest
from kedro.io import DataCatalog, DatasetError, MemoryDataset, Version
from kedro.pipeline import Node

from mixmas_pipeline import locking
from mixmas_pipeline.datasets.artefacts import JSONDataset
from mixmas_pipeline.locking import DataRootBusy
from mixmas_pipeline.runners import fingerprints
from mixmas_pipeline.runners.compute import ComputeParameters

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"


def artefact(folder: Path, version: str) -> JSONDataset:
    return JSONDataset(filepath=str(folder / "x.json"), version=Version(None, version))


def test_a_record_is_of_the_version_that_was_saved_and_of_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network's file system may show another machine's version late: the one before it must not get its record."""
    monkeypatch.setattr(fingerprints, "SEEN_WITHIN", 0.3)
    artefact(tmp_path, OLD).save({"v": 1})
    node = Node(probes.stay, "seconds", "x", name="node")
    with pytest.raises(DatasetError, match=f"x: .*{NEW}.* was saved, and is still not seen here"):
        fingerprints.record(node, {}, DataCatalog({"x": artefact(tmp_path, NEW)}), None)
    assert not list(tmp_path.rglob("provenance.json"))
    artefact(tmp_path, NEW).save({"v": 2})
    fingerprints.record(node, {}, DataCatalog({"x": artefact(tmp_path, NEW)}), None)
    assert [path.parent.name for path in tmp_path.rglob("provenance.json")] == [NEW]


@pytest.mark.parametrize("cores", [1, 2])
def test_a_run_that_has_lost_the_data_root_starts_nothing(
    tmp_path: Path, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(locking.DiskLock):
        def check(self) -> None:
            raise DataRootBusy("taken over")

    monkeypatch.setattr(locking, "_held", {Lost(tmp_path)})
    graph, values = probes.pipeline(probes.stay, dict.fromkeys("ab", 0.01))
    with pytest.raises(DataRootBusy, match="taken over"):
        probes.run(tmp_path, graph, values, cores=cores)
    assert not list(tmp_path.rglob("*.json"))


def test_what_was_made_from_an_input_that_was_not_kept_is_made_again(tmp_path: Path) -> None:
    artefact(tmp_path, OLD).save({"v": 1})
    catalog = DataCatalog({"seconds": MemoryDataset(0.0), "x": artefact(tmp_path, OLD)})
    node = Node(probes.stay, "seconds", "x", name="node")
    fingerprints.record(node, fingerprints.fingerprint(node, catalog, ComputeParameters()), catalog, None)
    catalog["seconds"] = artefact(tmp_path / "kept", OLD)
    catalog.save("seconds", 0.0)
    wanted = fingerprints.fingerprint(node, catalog, ComputeParameters())
    assert fingerprints.up_to_date(node, wanted, catalog) == "x was made from an input that was not kept"
    fingerprints.record(node, wanted, catalog, None)
    assert fingerprints.up_to_date(node, wanted, catalog) == ""
