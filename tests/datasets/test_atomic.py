"""A save that fails, is killed or finds the disk full leaves what was there, and nothing that looks whole."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from artefact_samples import DATASETS, sample
from atomic_samples import Broken, Folder, Interrupted, JSONFile, files
from kedro.io import DatasetError
from kedro.io.core import Version

SAMPLES = str(Path(__file__).parents[1] / "samples")


@pytest.mark.parametrize(("broken", "raised"), [(Broken, DatasetError), (Interrupted, KeyboardInterrupt)])
def test_failing_first_save_leaves_nothing(broken: type[Broken], raised: type[BaseException], tmp_path: Path) -> None:
    for version in (None, Version(None, "v1")):
        dataset = broken(filepath=str(tmp_path / "data" / "a.json"), version=version)
        with pytest.raises(raised):
            dataset.save({})
        assert not dataset.exists()
        assert files(tmp_path) == []
    with pytest.raises(DatasetError):
        JSONFile(filepath=str(tmp_path / "data" / "a.json"), version=Version(None, None)).load()


def test_failing_save_keeps_the_earlier_version(tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    JSONFile(filepath=path, version=Version(None, "v1")).save({"run": 1})
    with pytest.raises(DatasetError, match="the lights went out") as caught:
        Broken(filepath=path, version=Version(None, "v2")).save({"run": 2})
    assert path in str(caught.value)
    newest = JSONFile(filepath=path, version=Version(None, None))
    assert newest.exists()
    assert newest.list_versions(full_path=False) == ["v1"]
    assert newest.load() == {"run": 1}
    assert files(tmp_path) == ["a.json/v1/a.json"]
    assert not (tmp_path / "a.json" / "v2").exists()


def test_a_version_of_the_future_is_not_the_newest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, soon = str(tmp_path / "a.json"), datetime.now(UTC) + timedelta(minutes=5)
    for number, version in enumerate(("2026-01-01T00.00.00.000Z", "2926-01-01T00.00.00.000Z")):
        JSONFile(filepath=path, version=Version(None, version)).save({"run": number})
    assert JSONFile(filepath=path, version=Version(None, None)).load() == {"run": 0}
    assert "2926-01-01T00.00.00.000Z" in caplog.text
    assert "version of the future" in caplog.text
    assert JSONFile(filepath=path, version=Version("2926-01-01T00.00.00.000Z", None)).load() == {"run": 1}
    clock = soon.strftime("%Y-%m-%dT%H.%M.%S.000Z")
    JSONFile(filepath=path, version=Version(None, clock)).save({"run": 2})
    assert JSONFile(filepath=path, version=Version(None, None)).load() == {"run": 2}, "another machine's clock"
    JSONFile(filepath=path, version=Version(None, "v1")).save({"run": 3})
    assert JSONFile(filepath=path, version=Version(None, None)).load() == {"run": 3}, "a name of one's own"


def test_failing_save_keeps_the_earlier_file(tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    JSONFile(filepath=path).save({"run": 1})
    with pytest.raises(DatasetError, match="the lights went out"):
        Broken(filepath=path).save({"run": 2})
    assert JSONFile(filepath=path).load() == {"run": 1}
    assert files(tmp_path) == ["a.json"]


def test_folder_artefact_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = str(tmp_path / "model")
    good = Folder(filepath=path, version=Version(None, "v1"))
    good.save({"a": "1", "b": "2"})
    with pytest.raises(DatasetError, match="half of the folder"):
        Folder(filepath=path, version=Version(None, "v2")).save({"a": "1", "b": "fail"})
    newest = Folder(filepath=path, version=Version(None, None))
    assert newest.load() == {"a": "1", "b": "2"}
    assert files(tmp_path) == ["model/v1/model/deep/a", "model/v1/model/deep/b"]


def test_unversioned_folder_artefact_can_be_saved_again(tmp_path: Path) -> None:
    dataset = Folder(filepath=str(tmp_path / "model"))
    dataset.save({"a": "1", "b": "2"})
    dataset.save({"a": "3"})
    assert dataset.load() == {"a": "3"}


SLOW_SAVE = """
import sys, time
sys.path.insert(0, sys.argv[1])
from kedro.io.core import Version
from atomic_samples import JSONFile

class Slow(JSONFile):
    def _write(self, path, data):
        path.write_text('{"half":')
        print("half", flush=True)
        time.sleep(120)

version = Version(None, sys.argv[3]) if len(sys.argv) > 3 else None
Slow(filepath=sys.argv[2], version=version).save({})
"""


def kill_in_the_middle_of_a_save(*arguments: str) -> None:
    """Start a save in another process and send it SIGKILL when half of the file is written."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SAVE, SAMPLES, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "half\n"
    finally:
        process.kill()
        assert process.wait(timeout=30) == -signal.SIGKILL
        process.stdout.close()


def test_killed_save_leaves_no_version(tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    kill_in_the_middle_of_a_save(path, "v1")
    newest = JSONFile(filepath=path, version=Version(None, None))
    assert files(tmp_path) != [], "the kill came before anything was written; the test proves nothing"
    assert not newest.exists()
    with pytest.raises(DatasetError):
        newest.load()

    again = JSONFile(filepath=path, version=Version(None, "v1"))
    again.save({"run": 1})
    assert again.load() == {"run": 1}
    kill_in_the_middle_of_a_save(path, "v2")
    newest.release()
    assert newest.exists()
    assert newest.list_versions(full_path=False) == ["v1"]
    assert newest.load() == {"run": 1}


def test_killed_save_keeps_the_earlier_file(tmp_path: Path) -> None:
    dataset = JSONFile(filepath=str(tmp_path / "a.json"))
    dataset.save({"run": 1})
    kill_in_the_middle_of_a_save(str(tmp_path / "a.json"))
    assert dataset.load() == {"run": 1}


# Saves a small v1 of everything, then a v2 of 1.5 MB each that does not fit, and says what became of both.
FULL_DISK = """
import json, resource, sys
from pathlib import Path
import numpy as np
import pandas as pd
from kedro.io.core import Version
sys.path.insert(0, sys.argv[3])
from artefact_samples import DATASETS, assert_same, sample, small_table

folder = Path(sys.argv[1])
noise = np.random.default_rng(0)
big = {
    "json": "x" * 1_500_000,
    "frame": pd.DataFrame({"x": noise.random(190_000)}),
    "png": noise.bytes(1_500_000),
    "html": "x" * 1_500_000,
    "arrays": {"a": noise.random(190_000)},
    "table": small_table(50_000),
}
(folder / "note").write_text("the folder is not empty")
for kind in big:
    DATASETS[kind](filepath=str(folder / kind), version=Version(None, "v1")).save(sample(kind))
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
report = {}
for kind, data in big.items():
    error = ""
    try:
        DATASETS[kind](filepath=str(folder / kind), version=Version(None, "v2")).save(data)
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"
    newest = DATASETS[kind](filepath=str(folder / kind), version=Version(None, None))
    assert_same(kind, newest.load(), sample(kind))
    report[kind] = [error, newest.list_versions(full_path=False), len(list((folder / kind).rglob("*")))]
print(json.dumps(report))
"""


@pytest.mark.parametrize("how", ["limit", "mount"])
def test_full_disk_names_the_file_and_harms_no_earlier_version(how: str, tmp_path: Path) -> None:
    """By a limit on the size of files, and (where this user may) on a disk of 1 MB that is really full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [sys.executable, "-c", FULL_DISK, str(disk), how, SAMPLES]
    if how == "mount":
        mount = f'mount -t tmpfs -o size=1m tmpfs "{disk}"'
        private = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
        if shutil.which("unshare") is None or subprocess.run([*private, mount], capture_output=True).returncode:
            pytest.skip("this user may not mount a small disk of its own (unshare --mount)")
        command = [*private, f'{mount} && exec "$@"', "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    reason = "File too large" if how == "limit" else "No space left on device"
    for kind, (error, versions, entries) in json.loads(done.stdout).items():
        assert error.startswith("DatasetError"), f"{kind}: {error or 'saved without an error'}"
        assert str(disk / kind) in error
        assert reason in error, f"{kind}: {error}"
        assert versions == ["v1"], kind
        assert entries == 2, f"{kind}: something is left besides v1 and its file"


@pytest.mark.parametrize("kind", DATASETS)
@pytest.mark.parametrize("versioned", [False, True])
def test_a_file_where_the_folder_should_be_is_named(kind: str, versioned: bool, tmp_path: Path) -> None:
    """Also what a folder that may not be written looks like to a save: the folder cannot be made."""
    (tmp_path / "data").write_text("a file")
    version = Version(None, "v1") if versioned else None
    dataset = DATASETS[kind](filepath=str(tmp_path / "data" / "artefact"), version=version)
    with pytest.raises((DatasetError, OSError)) as caught:
        dataset.save(sample(kind))
    assert str(tmp_path / "data") in str(caught.value)
    assert (tmp_path / "data").read_text() == "a file"
