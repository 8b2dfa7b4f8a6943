"""Copies of what object stores hold: fetched once, mapped, and never out of date."""

from __future__ import annotations

from pathlib import Path

import pytest
from artefact_samples import assert_same, small_table
from child_processes import python
from object_store import ObjectStore, forget_copies

from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.storage.atomic import write_atomically
from mixmas_pipeline.storage.cache import cache_folder, local_copy
from mixmas_pipeline.storage.paths import as_path

LOAD = """
import sys, time
from pathlib import Path
from mixmas_pipeline.storage.paths import as_path
from mixmas_pipeline.datasets.table import TableDataset

store = as_path(sys.argv[1]).fs
get = store.get_file
def counted(*arguments):
    print("fetched")
    time.sleep(1)
    get(*arguments)
store.get_file = counted
dataset = TableDataset(filepath=sys.argv[1])
Path(sys.argv[2]).touch()
while len(list(Path(sys.argv[2]).parent.iterdir())) < 4:
    time.sleep(0.01)
table = dataset.load()
print(int(table.arrays["image"].sum()), table.arrays["image"].flags.owndata)
"""


def test_several_processes_load_at_once_and_fetch_once(object_store: ObjectStore, tmp_path: Path) -> None:
    url, table = f"{object_store.url}/table.arrow", small_table(2000)
    TableDataset(filepath=url).save(table)
    forget_copies()
    (tmp_path / "ready").mkdir()
    processes = [python(LOAD, url, str(tmp_path / "ready" / str(i))) for i in range(4)]
    said = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(lines.count("fetched") for lines in said) == 1
    total = int(table.arrays["image"].sum())
    assert {lines[-1] for lines in said} == {f"{total} False"}, "the content is mapped, not copied"


def test_what_was_just_saved_is_not_fetched(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{object_store.url}/table.arrow"
    monkeypatch.setattr(as_path(url).fs, "get_file", None)  # type: ignore[union-attr]
    dataset = TableDataset(filepath=url)
    dataset.save(small_table())
    assert_same("table", dataset.load(), small_table())


def test_overwritten_object_is_fetched_again_and_leaves_one_copy(object_store: ObjectStore) -> None:
    path = as_path(f"{object_store.url}/last.ckpt")
    for content in ("one", "two"):
        write_atomically(path, lambda partial, content=content: partial.write_text(content))
        assert local_copy(path).read_text() == content
    path.fs.pipe_file(str(path), b"by another machine")  # type: ignore[union-attr]
    assert local_copy(path).read_text() == "by another machine"
    assert len(list(cache_folder().rglob("last.ckpt"))) == 1
