"""`kedro prune` deletes what nothing in use was made from, and only that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from atomic_samples import JSONFile
from kedro.io.core import Version
from project_runs import kedro, make_project

from mixmas_pipeline.storage import retention
from mixmas_pipeline.storage.locks import DataRootBusy, data_root_lock, locked
from mixmas_pipeline.storage.retention import delete, leftovers, saved_versions, superfluous, sweep

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def day(number: int) -> str:
    return f"2026-11-{number:02d}T00.00.00.000Z"


def save(
    root: Path, name: str, version: str, content: str | None = "", made_from: dict[str, str] | None = None
) -> Path:
    """A version as a run leaves it; ``content`` None: without its record."""
    path = root / "layer" / f"{name}.json"
    JSONFile(filepath=str(path), version=Version(None, version)).save({"made": version})
    if content is not None:
        record = {"dataset": name, "content": content, "fingerprint": {"inputs": made_from or {}}}
        (path / version / "provenance.json").write_text(json.dumps(record))
    return path / version / f"{name}.json"


def gone(root: Path, keep: int, days: int | None = None) -> list[str]:
    age = None if days is None else timedelta(days=days)
    return [f"{v.dataset.stem} {v.made.day}" for v in superfluous(saved_versions(root), keep, age, NOW)]


def test_the_newest_stay(tmp_path: Path) -> None:
    for number in (1, 2, 10, 20):
        save(tmp_path, "a", day(number), f"content {number}")
    save(tmp_path, "b", day(3), "only")
    assert gone(tmp_path, keep=1) == ["a 1", "a 2", "a 10"]
    assert gone(tmp_path, keep=3) == ["a 1"]
    assert gone(tmp_path, keep=9) == []
    assert gone(tmp_path, keep=1, days=15) == ["a 1", "a 2"]
    assert gone(tmp_path, keep=1, days=14) == ["a 1", "a 2"], "10 November is 14 days before, and not more"
    with pytest.raises(ValueError, match="at least 1"):
        gone(tmp_path, keep=0)


def test_what_something_that_stays_was_made_from_stays(tmp_path: Path) -> None:
    """Over several steps, and by content: not by time, nor by being the newest."""
    for number in (1, 2, 3):
        save(tmp_path, "raw", day(number), f"raw {number}")
        save(tmp_path, "table", day(number), f"table {number}", {"raw": f"raw {number}"})
    save(tmp_path, "model", day(2), "model", {"table": "table 2"})
    assert gone(tmp_path, keep=1) == ["raw 1", "table 1"]
    save(tmp_path, "model", day(4), "new model", {"table": "table 3"})
    assert sorted(gone(tmp_path, keep=1)) == ["model 2", "raw 1", "raw 2", "table 1", "table 2"]
    assert sorted(gone(tmp_path, keep=2)) == ["raw 1", "table 1"]


def test_of_versions_with_the_same_content_the_newest_counts(tmp_path: Path) -> None:
    save(tmp_path, "table", day(1), "same")
    save(tmp_path, "table", day(2), "same")
    save(tmp_path, "table", day(3), "other")
    save(tmp_path, "model", day(2), "model", {"table": "same"})
    assert gone(tmp_path, keep=1) == ["table 1"]


def test_newest_that_may_be_reused_stays_below_one_without_a_record(tmp_path: Path) -> None:
    """A run that was killed between saving and recording."""
    for number, content in ((1, "first"), (2, "second"), (3, None)):
        save(tmp_path, "a", day(number), content)
    assert gone(tmp_path, keep=1) == ["a 1"]


def test_what_is_unknown_is_left_alone(tmp_path: Path) -> None:
    artefact = save(tmp_path, "a", day(1), "old")
    save(tmp_path, "a", day(2), "new")
    note = artefact.parent / "note.txt"
    own = [note, tmp_path / "layer/a.json/v0/a.json", tmp_path / "own" / day(1) / "thing", tmp_path / ".hidden"]
    for file in own:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    assert leftovers(tmp_path) == []
    (old,) = superfluous(saved_versions(tmp_path), 1)
    delete(old)
    assert sweep(tmp_path) == 0
    assert all(file.read_text() == "mine" for file in own)
    assert not artefact.exists()


def test_sweep_removes_what_killed_saves_have_left(tmp_path: Path) -> None:
    kept = save(tmp_path, "a", day(1), "whole")
    cut = tmp_path / "layer" / "b.json" / day(2)
    model = tmp_path / "model" / day(2)
    partials = [
        cut / f".b.json.{'0' * 32}.partial",
        kept.parent / ".provenance.json.partial",
        tmp_path / "checkpoints" / "1234" / ".last.ckpt.partial",
    ]
    for file in partials:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("half")
    (model / f".model.{'1' * 32}.partial" / "deep").mkdir(parents=True)
    (tmp_path / "layer" / "c.json" / day(2)).mkdir(parents=True)
    deleted_halfway = tmp_path / "layer" / "a.json" / day(3)
    deleted_halfway.mkdir()
    (deleted_halfway / "provenance.json").write_text("{}")
    assert sweep(tmp_path) >= 5
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == {kept, kept.parent / "provenance.json"}
    assert not deleted_halfway.exists()
    assert not list(tmp_path.rglob(day(2))), "emptied version folders are gone"
    assert sweep(tmp_path) == 0


def test_folder_that_was_being_replaced_is_put_back(tmp_path: Path) -> None:
    """Without versions a folder is replaced in two renames; after the first its old content is all there is."""
    old = tmp_path / f".model.{'0' * 32}.old"
    old.mkdir()
    (old / "weights").write_text("1")
    sweep(tmp_path)
    assert (tmp_path / "model" / "weights").read_text() == "1"
    old.mkdir()
    sweep(tmp_path)
    assert not old.exists()
    assert (tmp_path / "model" / "weights").read_text() == "1"


KILLED = """
import os, signal, sys
from pathlib import Path
from mixmas_pipeline.storage import retention
left = int(sys.argv[2])

def kill(event, args):
    global left
    if event in ("os.remove", "os.rmdir", "os.rename", "shutil.rmtree") and str(args[0]).startswith(sys.argv[1]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
(old,) = retention.superfluous(retention.saved_versions(Path(sys.argv[1])), 1)
retention.delete(old)
"""


@pytest.mark.parametrize("steps", range(4))
def test_killed_deletion_leaves_nothing_that_looks_whole(steps: int, tmp_path: Path) -> None:
    save(tmp_path, "a", day(1), "old")
    save(tmp_path, "a", day(2), "new")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(steps)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    dataset = JSONFile(filepath=str(tmp_path / "layer/a.json"), version=Version(None, None))
    assert dataset.list_versions(full_path=False) == ([day(2), day(1)] if steps == 0 else [day(2)])
    assert dataset.load() == {"made": day(2)}
    if steps:
        sweep(tmp_path)
        kept = {file: content for file, content in before.items() if day(2) in str(file)}
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == kept
        assert not (tmp_path / "layer/a.json" / day(1)).exists()


def test_command_says_what_it_would_do_does_it_and_harms_no_reuse(copy_of_finished: Callable[[], Path]) -> None:
    project = copy_of_finished()
    for _ in range(2):  # three versions of the data, the same each time
        done = kedro(project, "run", "--env=test", "--pipeline=avmnist", "--params=reuse=false")
        assert done.returncode == 0, done.stderr
    data = project / "data/test"
    before = sorted(data.rglob("*"))
    (half := data / f".cut.json.{'0' * 32}.partial").write_text("half")
    (cut := data / "06_models/checkpoints/1234/last.ckpt").parent.mkdir(parents=True)
    cut.write_text("of a training that was killed")

    shown = kedro(project, "prune", "--env=test")
    assert shown.returncode == 0, shown.stderr
    datasets = len(list((data / "05_model_input/avmnist").glob("*.arrow"))) + 7
    assert f"Would delete {datasets} versions and 2 unfinished" in shown.stdout
    assert "05_model_input/avmnist/train.arrow" in shown.stdout
    assert "Nothing has been deleted" in shown.stdout
    assert sorted(data.rglob("*")) == sorted([*before, half, cut.parent, cut])

    kept = kedro(project, "prune", "--env=test", "--older-than=1d", "--yes", "--keep=1")
    assert "Deleted 0 versions and 2 unfinished" in kept.stdout, kept.stderr
    with locked(data):
        busy = kedro(project, "prune", "--env=test", "--keep=1", "--yes")
        assert busy.returncode != 0
        assert f"process {os.getpid()}" in " ".join((busy.stdout + busy.stderr).split())
    assert [file for file in sorted(data.rglob("*")) if not file.name.startswith(".run")] == [
        file for file in before if not file.name.startswith(".run")
    ]

    done = kedro(project, "prune", "--env=test", "--keep=1", "--yes")
    assert f"Deleted {2 * datasets} versions and 0 unfinished" in done.stdout, done.stdout + done.stderr
    versions = saved_versions(data)
    assert {len(of_one) for of_one in versions.values()} == {1}
    assert not retention.leftovers(data)
    again = kedro(project, "run", "--env=test")
    assert again.returncode == 0, again.stderr
    assert "Running " not in again.stdout, "nothing in use is gone"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keep=0"], "0 is not in the range x>=1"),
        (["--older-than=3"], "'3' is no age; expected a number of hours, days or weeks such as 12h, 30d or 4w"),
        (["--env=paper"], "nothing has been run in this environment"),
    ],
)
def test_wrong_use_is_explained(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = kedro(make_project(tmp_path / "project"), "prune", *arguments)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())


def test_object_store(tmp_path: Path) -> None:
    """The same in a store: a folder's version, and what an upload that was cut has left."""
    from upath import UPath

    from mixmas_pipeline.storage.atomic import is_complete, write_atomically

    root = UPath(f"memory://{tmp_path.name}/data")

    def folder(path: Path) -> None:
        path.mkdir()
        (path / "weights").write_text("1")

    model = root / "06_models" / "model"
    for number in (1, 2, 3):
        write_atomically(model / day(number) / "model", folder)
        record = {"dataset": "model", "content": str(number), "fingerprint": {}}
        write_atomically(
            model / day(number) / "provenance.json", lambda path, record=record: path.write_text(json.dumps(record))
        )
    (model / day(4) / "model" / "weights").write_text("half of an upload")
    assert [(saved.version, saved.record["content"]) for saved in saved_versions(root)[model]] == [
        (day(number), str(number)) for number in (3, 2, 1)
    ]
    assert [str(path) for path in leftovers(root)] == [str(model / day(4))]
    (old,) = superfluous(saved_versions(root), keep=2)
    assert retention.size(old.artefact.parent) > 50
    delete(old)
    assert sweep(root) >= 1, "a store in memory also keeps the emptied folder"
    assert {path.name for path in model.iterdir()} == {day(2), day(3)}
    assert all(is_complete(model / day(number) / "model") for number in (2, 3))
    with locked(root), pytest.raises(DataRootBusy):
        data_root_lock(root).acquire()
