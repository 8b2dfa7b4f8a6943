"""Where a record goes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import probes
import pytest
from atomic_samples import JSONFile
from kedro.io import DataCatalog, DatasetError, MemoryDataset, Version
from kedro.pipeline import Node

from mixmas_pipeline.runners import fingerprints
from mixmas_pipeline.utils.resources import ComputeParameters

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"


def artefact(folder: Path, version: str) -> JSONFile:
    return JSONFile(filepath=str(folder / "x.json"), version=Version(None, version))


def test_a_record_is_of_the_version_that_was_saved_and_of_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network's file system may show another machine's version late: the one before it must not get its record."""
    monkeypatch.setattr(fingerprints, "SEEN_WITHIN", 0.3)
    artefact(tmp_path, OLD).save({"v": 1})
    node = Node(probes.stay, "seconds", "x", name="node")
    with pytest.raises(DatasetError, match=f"x: .*{NEW}.* was saved, and is still not seen here"):
        fingerprints.record(node, None, DataCatalog({"x": artefact(tmp_path, NEW)}), None)
    assert not list(tmp_path.rglob("provenance.json"))
    artefact(tmp_path, NEW).save({"v": 2})
    fingerprints.record(node, None, DataCatalog({"x": artefact(tmp_path, NEW)}), None)
    assert [path.parent.name for path in tmp_path.rglob("provenance.json")] == [NEW]


def test_every_library_counts_or_is_known_not_to_change_results() -> None:
    """Of those that are always installed. With extras, installing one more would make everything out of date."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    required = {re.split(r"[^\w-]", dependency)[0].replace("_", "-") for dependency in project["dependencies"]}
    framework = {"kedro", "kedro-datasets", "kedro-viz", "omegaconf", "pydantic", "rich", "tensorboard"}
    as_it_is = {
        "safetensors",
        "universal-pathlib",
        "lazy-loader",
        "pooch",
        "requests",
        "filelock",
        "threadpoolctl",
        "loky",
    }  # bytes come out as they went in
    in_its_source = {"transformers"}  # in the fingerprint of the data set that loads the encoder
    in_its_nodes = {"scikit-learn"}  # of the nodes that fit references
    assert required - framework - as_it_is - in_its_source - in_its_nodes - set(fingerprints._LIBRARIES) == set()
    versions = fingerprints._versions((*fingerprints._LIBRARIES, *in_its_nodes))
    assert "absent" not in {versions[name] for name in required & set(versions)}


def test_what_was_made_from_an_input_that_was_not_kept_is_made_again(tmp_path: Path) -> None:
    artefact(tmp_path, OLD).save({"v": 1})
    catalog = DataCatalog({"seconds": MemoryDataset(0.0), "x": artefact(tmp_path, OLD)})
    node = Node(probes.stay, "seconds", "x", name="node")
    fingerprints.record(node, fingerprints.fingerprint(node, catalog, ComputeParameters()), catalog, None)
    catalog["seconds"] = artefact(tmp_path / "kept", OLD)
    catalog.save("seconds", 0.0)
    wanted = fingerprints.fingerprint(node, catalog, ComputeParameters())
    assert fingerprints.reason_to_run(node, wanted, catalog) == "x was made from an input that was not kept"
    fingerprints.record(node, wanted, catalog, None)
    assert fingerprints.reason_to_run(node, wanted, catalog) == ""
