"""Artefacts in an object store: the same promises as on a disk. The store is a real S3 server, see object_store.py."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artefact_samples import DATASETS, assert_same, sample
from atomic_samples import Broken, Folder, Interrupted, JSONFile
from child_processes import python
from kedro.io import DatasetError
from kedro.io.core import Version, VersionNotFoundError
from object_store import ObjectStore, forget_copies

from mixmas_pipeline.runners import fingerprints
from mixmas_pipeline.storage.cache import cache_folder
from mixmas_pipeline.storage.object_store import complete_versions
from mixmas_pipeline.storage.paths import as_path

LATEST = Version(None, None)


@pytest.mark.parametrize("kind", DATASETS)
def test_round_trip(kind: str, object_store: ObjectStore) -> None:
    url = f"{object_store.url}/artefact"
    for seed, version in ((1, "v1"), (2, "v2")):
        dataset = DATASETS[kind](filepath=url, version=Version(None, version))
        assert not dataset.exists() or version == "v2"
        dataset.save(sample(kind, seed))
        assert_same(kind, dataset.load(), sample(kind, seed))
    own = [".complete", "/a.bin", "/b.txt"] if kind == "folder" else [""]
    assert object_store.objects() == [f"artefact/{version}/artefact{end}" for version in ("v1", "v2") for end in own]
    forget_copies()
    newest = DATASETS[kind](filepath=url, version=LATEST)
    assert newest.exists()
    assert_same(kind, newest.load(), sample(kind, 2))
    assert newest.list_versions(full_path=False) == ["v2", "v1"]
    assert_same(kind, DATASETS[kind](filepath=url, version=Version("v1", None)).load(), sample(kind, 1))
    with pytest.raises(DatasetError, match="must not exist"):
        DATASETS[kind](filepath=url, version=Version(None, "v1")).save(sample(kind, 3))


@pytest.mark.parametrize("kind", DATASETS)
def test_files_are_those_of_a_disk(kind: str, object_store: ObjectStore, tmp_path: Path) -> None:
    DATASETS[kind](filepath=f"{object_store.url}/artefact").save(sample(kind))
    DATASETS[kind](filepath=str(tmp_path / "artefact")).save(sample(kind))
    made = tmp_path / "artefact"
    files = sorted(made.iterdir()) if made.is_dir() else [made]
    assert [(object_store.folder / file.relative_to(tmp_path)).read_bytes() for file in files] == [
        file.read_bytes() for file in files
    ]


@pytest.mark.parametrize("kind", DATASETS)
def test_previews_of_kedro_viz(kind: str, object_store: ObjectStore, tmp_path: Path) -> None:
    previews = []
    for where in (object_store.url, str(tmp_path)):
        dataset: Any = DATASETS[kind](filepath=f"{where}/artefact", version=Version(None, "v1"))
        dataset.save(sample(kind))
        previews.append(dataset.preview())
    assert previews[0] == previews[1]


def test_folder_is_there_with_its_marker_and_not_before(object_store: ObjectStore) -> None:
    url = f"{object_store.url}/model"
    Folder(filepath=url, version=Version(None, "v1")).save({"a": "1", "b": "2"})
    assert object_store.objects() == ["model/v1/model.complete", "model/v1/model/deep/a", "model/v1/model/deep/b"]
    store = as_path(url).fs  # type: ignore[union-attr]
    for name in ("a", "b"):
        store.pipe_file(f"{url}/v2/model/deep/{name}", b"2")  # and no marker
    newest = Folder(filepath=url, version=LATEST)
    assert newest.list_versions(full_path=False) == ["v1"]
    assert newest.load() == {"a": "1", "b": "2"}
    assert not Folder(filepath=url, version=Version("v2", None)).exists()
    with pytest.raises(DatasetError, match="does not exist"):
        Folder(filepath=url, version=Version("v2", None)).load()
    store.rm_file(f"{url}/v1/model/deep/b")
    forget_copies()
    assert not newest.exists()
    with pytest.raises(DatasetError, match="does not exist"):
        newest.load()


def test_folder_without_versions_is_replaced(object_store: ObjectStore) -> None:
    dataset = Folder(filepath=f"{object_store.url}/model")
    dataset.save({"a": "1", "b": "2"})
    dataset.save({"a": "3"})
    forget_copies()
    assert dataset.load() == {"a": "3"}
    assert object_store.objects() == ["model.complete", "model/deep/a"]


@pytest.mark.parametrize(("broken", "raised"), [(Broken, DatasetError), (Interrupted, KeyboardInterrupt)])
def test_failing_save_leaves_nothing(
    broken: type[Broken], raised: type[BaseException], object_store: ObjectStore
) -> None:
    url = f"{object_store.url}/a.json"
    JSONFile(filepath=url, version=Version(None, "v1")).save({"run": 1})
    with pytest.raises(raised):
        broken(filepath=url, version=Version(None, "v2")).save({"run": 2})
    assert JSONFile(filepath=url, version=LATEST).load() == {"run": 1}
    assert object_store.objects() == ["a.json/v1/a.json"]
    assert not list(cache_folder().rglob("*.partial"))


def test_upload_that_breaks_off_leaves_nothing(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    url, uploaded = f"{object_store.url}/model", []
    store = as_path(url).fs  # type: ignore[union-attr]
    put = store.put_file

    def breaking(source: str, target: str) -> None:
        if uploaded:
            raise OSError("the line is cut")
        uploaded.append(target)
        put(source, target)

    monkeypatch.setattr(store, "put_file", breaking)
    with pytest.raises(DatasetError, match="the line is cut") as caught:
        Folder(filepath=url, version=Version(None, "v1")).save({"a": "1", "b": "2"})
    assert url in str(caught.value)
    assert uploaded
    assert object_store.objects() == []
    assert not Folder(filepath=url, version=LATEST).exists()


SLOW_SAVE = """
import sys, time
from kedro.io.core import Version
from atomic_samples import Folder
from mixmas_pipeline.storage.paths import as_path

store = as_path(sys.argv[1]).fs
def slow(*arguments):
    print("half", flush=True)
    time.sleep(120)
setattr(store, sys.argv[3], slow)
Folder(filepath=sys.argv[1], version=Version(None, sys.argv[2])).save({"a": "1", "b": "2"})
"""


@pytest.mark.parametrize("step", ["put_file", "pipe_file"])
def test_killed_upload_leaves_no_version(step: str, object_store: ObjectStore) -> None:
    """SIGKILL before the first file, and between the last file and the marker."""
    url = f"{object_store.url}/model"
    Folder(filepath=url, version=Version(None, "v1")).save({"a": "0"})
    process = python(SLOW_SAVE, url, "v2", step)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "half\n"
    finally:
        process.kill()
        assert process.wait(timeout=60) == -signal.SIGKILL
        process.stdout.close()
    left = [name for name in object_store.objects() if "/v2/" in name]
    assert left == (["model/v2/model/deep/a", "model/v2/model/deep/b"] if step == "pipe_file" else [])
    newest = Folder(filepath=url, version=LATEST)
    assert newest.list_versions(full_path=False) == ["v1"]
    assert newest.load() == {"a": "0"}
    Folder(filepath=url, version=Version(None, "v2")).save({"a": "3"})
    forget_copies()
    newest.release()
    assert newest.load() == {"a": "3"}


FULL_DISK = """
import resource, sys
from kedro.io.core import Version
from atomic_samples import PageFile

dataset = PageFile(filepath=sys.argv[1], version=Version(None, sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    dataset.save("x" * 1_000_000) if sys.argv[3] == "save" else dataset.load()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("what", ["save", "load"])
def test_full_disk_of_this_machine_is_named(what: str, object_store: ObjectStore) -> None:
    """Both go through a local file: half of one is neither uploaded nor taken for the artefact."""
    url = f"{object_store.url}/page.html"
    dataset = DATASETS["html"](filepath=url, version=Version(None, "v1"))
    dataset.save("y" * 1_000_000)
    forget_copies()
    said, _ = python(FULL_DISK, url, "v1" if what == "load" else "v2", what).communicate(timeout=120)
    assert said.startswith("DatasetError"), said
    assert url in said
    assert "File too large" in said
    newest = DATASETS["html"](filepath=url, version=LATEST)
    assert newest.list_versions(full_path=False) == ["v1"]
    assert newest.load() == "y" * 1_000_000


def test_a_store_that_cannot_be_asked_is_not_an_empty_one(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else everything would be made anew: neither the version lookup nor the reuse takes an error for an absence."""
    url = f"{object_store.url}/a.json"
    JSONFile(filepath=url, version=Version(None, "v1")).save({})
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-key")
    type(as_path(url).fs).clear_instance_cache()  # type: ignore[union-attr]
    try:
        newest = JSONFile(filepath=url, version=LATEST)
        for ask in (newest.exists, newest.load, lambda: newest.save({})):
            with pytest.raises(DatasetError) as caught:
                ask()
            assert not isinstance(caught.value, VersionNotFoundError)
            assert url in str(caught.value)
        with pytest.raises(PermissionError):
            fingerprints.provenance(newest)
    finally:
        type(as_path(url).fs).clear_instance_cache()  # type: ignore[union-attr]


def test_missing_bucket_is_named(object_store: ObjectStore) -> None:
    dataset = JSONFile(filepath="s3://no-such-bucket/a.json", version=Version(None, "v1"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"s3://no-such-bucket/a.json/v1/a.json .*is there such a bucket"):
        dataset.save({})


SAVE = """
import sys
from kedro.io.core import Version
from atomic_samples import JSONFile
JSONFile(filepath=sys.argv[1], version=Version(None, sys.argv[2])).save({"run": sys.argv[2]})
"""


def test_versions_of_other_machines_are_seen(object_store: ObjectStore) -> None:
    url = f"{object_store.url}/a.json"
    dataset = JSONFile(filepath=url, version=LATEST)
    for version in ("v1", "v2"):
        seen = dataset.exists()  # lists the store: nothing of that may be remembered
        assert seen == (version == "v2")
        assert python(SAVE, url, version).wait(timeout=120) == 0
        dataset.release()
        assert dataset.load() == {"run": version}


def test_altered_artefact_is_noticed(object_store: ObjectStore) -> None:
    dataset = JSONFile(filepath=f"{object_store.url}/a.json", version=Version(None, "v1"))
    dataset.save({"run": 1})
    path = dataset._get_load_path()
    stat, content = fingerprints._stat(path), fingerprints.hash_path(path)
    forget_copies()
    assert fingerprints._stat(path) == stat, "the same for every machine"
    assert fingerprints.hash_path(path) == content
    store = as_path(object_store.url).fs  # type: ignore[union-attr]
    store.pipe_file(str(path), store.cat_file(str(path)).replace(b"1", b"2"))  # of the same length
    assert fingerprints._stat(path) != stat
    assert fingerprints.hash_path(path) != content


@pytest.mark.parametrize("model", [False, True])
def test_content_has_the_same_hash_as_on_a_disk(model: bool, object_store: ObjectStore, tmp_path: Path) -> None:
    """So that a data root that is copied from a store is reused."""
    hashes = []
    for where in (object_store.url, str(tmp_path / "disk")):
        if model:
            dataset: Any = Folder(filepath=f"{where}/artefact", version=Version(None, "v1"))
            dataset.save({"a": "1", "b": "2"})
        else:
            dataset = DATASETS["arrays"](filepath=f"{where}/artefact", version=Version(None, "v1"))
            dataset.save({"x": np.arange(5)})
        hashes.append(fingerprints.hash_path(dataset._get_load_path()))
    assert hashes[0] == hashes[1]


def test_memory_needs_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fsspec's stores the one that is always there."""
    monkeypatch.setenv("MIXMAS_CACHE", str(tmp_path))
    url = f"memory://{tmp_path.name}/model"
    for version in ("v1", "v2"):
        Folder(filepath=url, version=Version(None, version)).save({"a": version})
    assert [Path(found).parent.name for found in complete_versions(as_path(url))] == ["v2", "v1"]  # type: ignore[arg-type]
    assert Folder(filepath=url, version=LATEST).load() == {"a": "v2"}
