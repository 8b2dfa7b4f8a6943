"""Paths of this machine and of object stores."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from atomic_samples import JSONFile
from child_processes import python
from kedro.io import DatasetError
from object_store import ObjectStore

from mixmas_pipeline.storage.errors import StorageError
from mixmas_pipeline.storage.paths import as_path, without_secrets

FORK = """
import multiprocessing, sys
from kedro.io.core import Version
from atomic_samples import JSONFile

dataset = JSONFile(filepath=sys.argv[1], version=Version(None, "v1"))
dataset.save({"run": 1})
def load():
    return dataset.load()
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.apply_async(load).get(timeout=60))
"""


def test_a_forked_process_asks_for_itself(object_store: ObjectStore) -> None:
    """As a worker of Kedro's ParallelRunner, which has the catalog of the process that it was forked from."""
    assert python(FORK, f"{object_store.url}/a.json").communicate(timeout=120)[0] == "{'run': 1}\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.b/c.csv?X-Amz-Signature=1f&x=2#y", "https://a.b/c.csv"),
        ("s3://key:secret@bucket/c.csv", "s3://bucket/c.csv"),
        ('{"file": "http://u:p@a.b:80/c?d", "id": "x"}', '{"file": "http://a.b:80/c", "id": "x"}'),
        ("see https://a.b/c?d=e (refused), or s3://f/g", "see https://a.b/c (refused), or s3://f/g"),
        ("HTTPS://u:p@ss@a.b/x?y", "HTTPS://a.b/x"),
        ("what? a@b.c, C:/x?y, data/pets.csv", "what? a@b.c, C:/x?y, data/pets.csv"),
    ],
)
def test_addresses_are_shown_without_their_secrets(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_urls_of_this_machine_are_paths(tmp_path: Path) -> None:
    assert as_path(f"file://{tmp_path}") == as_path(str(tmp_path)) == tmp_path


def test_unsound_and_unknown_stores_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = r"^sftp://host/data: sftp:// is not known .* expected one of s3, .*Mount it"
    with pytest.raises(StorageError, match=refused):
        as_path("sftp://host/data")
    with pytest.raises(DatasetError, match=refused):  # in the catalog, the same text
        JSONFile(filepath="sftp://host/data")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(StorageError, match=r"gs://bucket/a: the package that reads gs:// is not installed: .*gcsfs"):
        as_path("gs://bucket/a")


def test_local_paths_import_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys; from atomic_samples import JSONFile; from kedro.io.core import Version;"
        "d = JSONFile(filepath=sys.argv[1], version=Version(None, 'v1')); d.save({}); d.load();"
        "print(json.dumps([m for m in ('upath', 's3fs', 'filelock') if m in sys.modules]))"
    )
    process = python("import json;" + code, str(tmp_path / "a.json"))
    said, _ = process.communicate(timeout=60)
    assert json.loads(said) == []
    assert os.listdir(tmp_path) == ["a.json"]  # noqa: PTH208
