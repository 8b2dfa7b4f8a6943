"""One run at a time on a data root: a lock on disks, a lease on object storage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Node
from object_store import BUCKET, KEYS, ObjectStore, start
from project_runs import kedro, make_project

from mixmas_pipeline.hooks.data_root import DataRootHooks
from mixmas_pipeline.storage import locks as locking
from mixmas_pipeline.storage.locks import (
    DEAD_AFTER,
    HOLDER_FILE,
    DataRootBusy,
    DiskLock,
    LeaseLock,
    data_root,
    data_root_lock,
    locked,
)
from mixmas_pipeline.storage.paths import as_path

EARLY, LATE = "2026-01-01T00.00.00.000Z", "2026-01-01T00.00.00.001Z"
ONE_NODE = "data.avmnist.resample_noise"


def text(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def versions(project: Path) -> list[str]:
    return sorted(str(path) for path in (project / "data").rglob("*Z"))


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this should have happened long ago"
        time.sleep(0.02)


# --- on a disk -----------------------------------------------------------------------------------------------------


def test_second_run_stops_at_once_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    command = [sys.executable, "-m", "kedro", "run", "--env=test", "--pipeline=avmnist"]
    with (tmp_path / "first.log").open("w") as log:
        first = subprocess.Popen(command, cwd=project, stdout=log, stderr=log)
    try:
        wait_for(lambda: (project / "data/test" / HOLDER_FILE).exists() or first.poll() is not None)
        first.send_signal(signal.SIGSTOP)
        assert first.poll() is None, "the first run ended too early; the test proves nothing"
        before = versions(project)
        second = kedro(project, "run", "--env=test", "--pipeline=avmnist")
        assert second.returncode != 0
        for said in (
            "kedro run --env=test --pipeline=avmnist",
            f"process {first.pid}",
            os.uname().nodename,
            "since 20",
        ):
            assert said in text(second)
        assert f"kill {first.pid}" in text(second), "what to do"
        assert "Traceback" not in text(second)
        assert versions(project) == before
    finally:
        first.kill()
        first.wait()
    third = kedro(project, "run", "--env=test", "--pipeline=avmnist")
    assert third.returncode == 0, text(third)


def test_every_runner_takes_the_lock_and_environments_have_their_own(copy_of_finished: Callable[[], Path]) -> None:
    project = copy_of_finished()
    other = project / "conf" / "other"
    other.mkdir()
    (other / "globals.yml").write_text("data_root: data/other\nraw_root: data/01_raw\n")
    before = versions(project)
    with locked(project / "data/test"):
        threads = kedro(project, "run", "--env=test", "--runner=ThreadRunner", f"--nodes={ONE_NODE}")
        assert threads.returncode != 0
        assert f"process {os.getpid()}" in text(threads)
        assert versions(project) == before
        elsewhere = kedro(project, "run", "--env=other", f"--nodes={ONE_NODE}")
        assert elsewhere.returncode == 0, text(elsewhere)
        read = kedro(project, "catalog", "list-patterns", "--env=test")
        assert read.returncode == 0, text(read)
    after = kedro(project, "run", "--env=test", "--runner=ThreadRunner", f"--nodes={ONE_NODE}")
    assert after.returncode == 0, text(after)


def run_one_node(project: Path, **arguments: Any) -> None:
    with KedroSession.create(project_path=project, env="test") as session:
        session.run(node_names=[ONE_NODE], **arguments)


def test_sessions_from_python_take_the_lock_and_readers_do_not_care(
    copy_of_finished: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of_finished()
    bootstrap_project(project)
    with locked(project / "data/test"):
        with pytest.raises(DataRootBusy, match=f"process {os.getpid()}"):
            run_one_node(project)
        with KedroSession.create(project_path=project, env="test") as session:
            assert len(session.load_context().catalog.load("avmnist.train")) == 400
    run_one_node(project)

    for error in (ValueError("a node failed"), KeyboardInterrupt()):  # a Ctrl-C calls no hook

        def fails(*_: Any, error: BaseException = error) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(Node, "run", fails)
            with pytest.raises(type(error)):
                run_one_node(project)
        run_one_node(project)


def test_session_that_began_before_the_last_run_is_told_so(copy_of_finished: Callable[[], Path]) -> None:
    """Its versions would be older than what is there, and would never be loaded."""
    project = copy_of_finished()
    bootstrap_project(project)
    with KedroSession.create(project_path=project, env="test") as early:
        time.sleep(0.01)
        run_one_node(project)
        before = versions(project)
        with pytest.raises(DataRootBusy, match="older than those of the last run"):
            early.run(node_names=[ONE_NODE])
    assert versions(project) == before


FORKING = """
import os, sys, time
from pathlib import Path
from mixmas_pipeline.storage.locks import data_root_lock
lock = data_root_lock(Path(sys.argv[1])).acquire()
if os.fork() == 0:  # the worker, which says so itself: until then it may still be closing what it has inherited
    print(os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""


def test_worker_that_outlives_a_killed_run_does_not_hold_the_lock(tmp_path: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", FORKING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    worker = int(driver.stdout.readline())
    try:
        with pytest.raises(DataRootBusy, match=f"process {driver.pid}"):
            data_root_lock(tmp_path).acquire()
        driver.kill()
        driver.wait()
        os.kill(worker, 0)  # the worker is still there
        data_root_lock(tmp_path).acquire().release()
    finally:
        os.kill(worker, signal.SIGKILL)
        driver.stdout.close()


@pytest.mark.parametrize("replaced", [True, False])
def test_a_run_whose_lock_file_is_gone_stops(tmp_path: Path, replaced: bool) -> None:
    """Another run could lock a new file."""
    first = DiskLock(tmp_path).acquire(EARLY)
    first.check()
    (tmp_path / locking.LOCK_FILE).unlink()
    second = DiskLock(tmp_path).acquire(LATE) if replaced else None
    with pytest.raises(DataRootBusy, match=r"was deleted or replaced while this run held it"):
        first.check()
    first.release()
    if second is not None:
        second.check()
        assert second._read()["holder"]["pid"] == os.getpid(), "the record stays the second's"
        second.release()
    DiskLock(tmp_path).acquire(LATE).release()


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    lock = DiskLock(tmp_path / "not" / "there").acquire(EARLY)
    with pytest.raises(DataRootBusy, match="is in use by"):
        DiskLock(tmp_path / "not" / "there").acquire(LATE)
    lock.release()
    DiskLock(tmp_path / "not" / "there").acquire(LATE).release()


@pytest.mark.parametrize("storage", ["disk", "lease"])
def test_save_versions_come_in_order(storage: str, tmp_path: Path) -> None:
    """The same one again is of the same session, which has failed and is run once more."""

    def lock() -> locking.DataRootLock:
        return DiskLock(tmp_path) if storage == "disk" else LeaseLock(f"memory://{tmp_path}")

    lock().acquire(LATE).release()
    lock().acquire(LATE).release()
    with pytest.raises(DataRootBusy, match="clock was set back"):
        lock().acquire(EARLY)
    lock().acquire().release()  # a deletion saves no versions
    with pytest.raises(DataRootBusy, match=LATE):
        lock().acquire(EARLY)
    lock().acquire("2026-01-01T00.00.00.002Z").release()


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataRootBusy, match=f"{tmp_path}/file/root cannot be locked"):
        DiskLock(tmp_path / "file" / "root").acquire()


# --- on object storage ---------------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    import fsspec

    yield f"memory://{request.node.name}/data"
    fsspec.filesystem("memory").store.clear()


def lease(url: str, clock: Clock) -> LeaseLock:
    return LeaseLock(url, clock)


def leases(url: str) -> dict[int, dict[str, Any]]:
    """The stored leases by number."""
    import fsspec

    store = fsspec.filesystem("memory")
    names = {path: locking.LEASE.fullmatch(Path(path).name) for path in store.ls(url, detail=False)}
    return {int(match[1]): json.loads(store.cat_file(path)) for path, match in names.items() if match}


def stored(url: str) -> dict[str, Any]:
    """The lease that counts."""
    return max(leases(url).items())[1]


def claim(url: str, number: int = 1, **changes: Any) -> None:
    """Another machine's lease."""
    import fsspec

    holder = {**locking._this_process(), "command": "kedro run", "host": "far", "pid": 7, "machine": "other", **changes}
    record = {"last_run": EARLY, "holder": holder, "beat": changes.get("beat", 1_000_000.0)}
    fsspec.filesystem("memory").pipe_file(f"{url}/.run-{number:08d}.json", json.dumps(record).encode())


def test_kind_of_lock_follows_from_the_address(tmp_path: Path, url: str) -> None:
    def root(address: str) -> Any:
        return data_root({"data_root": address}, tmp_path)

    assert root("data/x") == tmp_path / "data/x"
    assert root(f"file://{tmp_path}") == tmp_path
    assert str(root(url)) == url
    assert isinstance(data_root_lock(root("data/x")), DiskLock)
    assert isinstance(data_root_lock(root(url)), LeaseLock)
    with pytest.raises(ValueError, match="data_root is None"):
        data_root({}, tmp_path)


def test_lease_is_refused_while_it_is_alive(url: str) -> None:
    clock = Clock()
    first = lease(url, clock).acquire(EARLY)
    clock.now += 100
    with pytest.raises(DataRootBusy, match=rf"process {os.getpid()}.* last sign of life 100 s ago; after 180 s"):
        lease(url, clock).acquire(LATE)
    first.release()
    lease(url, clock).acquire(LATE).release()
    assert stored(url)["last_run"] == LATE
    assert stored(url)["holder"] is None


def test_silent_lease_of_another_machine_counts_as_dead_after_a_while(url: str) -> None:
    clock = Clock()
    claim(url)
    clock.now += DEAD_AFTER - 1
    with pytest.raises(DataRootBusy, match="process 7 on far"):
        lease(url, clock).acquire(LATE)
    clock.now += 2
    lease(url, clock).acquire(LATE).release()


def test_sign_of_life_keeps_the_lease(url: str) -> None:
    clock = Clock()
    first = lease(url, clock).acquire(EARLY)
    for _ in range(5):
        clock.now += DEAD_AFTER - 1
        first.beat()
        first.check()
        claimed = stored(url)
        assert claimed["beat"] == clock.now
        with pytest.raises(DataRootBusy):
            lease(url, clock).acquire(LATE)
    first.release()


def test_killed_run_of_this_machine_is_known_as_dead_at_once(url: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = {"machine": locking._machine(), "pid": process.pid, "started": locking._started(process.pid)}
    assert here["machine"]
    clock = Clock()
    claim(url, **here)
    with pytest.raises(DataRootBusy, match=f"process {process.pid}"):
        lease(url, clock).acquire(LATE)
    process.kill()
    wait_for(lambda: locking._started(process.pid) == "")
    lease(url, clock).acquire(LATE).release()  # not even collected by its parent
    process.communicate()
    claim(url, 5, **{**here, "pid": os.getpid()})  # the process number is another process's now
    lease(url, clock).acquire("2027").release()


def test_of_two_that_begin_at_once_one_gives_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run takes the lease after this one has seen that it is free."""
    late = lease(url, Clock())
    look = late._numbers

    def look_and_be_overtaken() -> list[int]:
        numbers = look()
        monkeypatch.undo()
        claim(url)
        return numbers

    monkeypatch.setattr(late, "_numbers", look_and_be_overtaken)
    with pytest.raises(DataRootBusy, match="process 7 on far"):
        late.acquire(LATE)
    assert [record["holder"]["host"] for record in leases(url).values()] == ["far"]


def test_run_that_was_overtaken_twice_gives_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number was taken, released and cleared away meanwhile, so that it could be created: it is not the highest."""
    late = lease(url, Clock())
    look = late._numbers

    def look_and_be_overtaken() -> list[int]:
        numbers = look()
        monkeypatch.undo()
        claim(url, number=2)
        return numbers

    monkeypatch.setattr(late, "_numbers", look_and_be_overtaken)
    with pytest.raises(DataRootBusy, match="process 7 on far"):
        late.acquire(LATE)
    assert list(leases(url)) == [2]


def test_an_answer_that_was_lost_does_not_lock_a_run_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store has created the lease, the client has sent the request again, and the store refuses that."""
    clock, create, answers = Clock(), LeaseLock._create, [False]
    monkeypatch.setattr(LeaseLock, "_create", lambda lock: create(lock) and (answers.pop() if answers else True))
    first = lease(url, clock).acquire(EARLY)
    assert not answers
    first.check()
    with pytest.raises(DataRootBusy, match=f"process {os.getpid()}"):
        lease(url, clock).acquire(LATE)
    first.release()
    lease(url, clock).acquire(LATE).release()


def test_earlier_leases_are_cleared_away_and_the_last_run_is_remembered(url: str) -> None:
    for run in (EARLY, LATE, None):
        lease(url, Clock()).acquire(run).release()
    assert {number: (record["last_run"], record["holder"]) for number, record in leases(url).items()} == {
        3: (LATE, None)
    }


RACE = """
import sys, time
from mixmas_pipeline.storage.locks import DataRootBusy, LeaseLock
lock = LeaseLock(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    lock.acquire()
    print("held", flush=True)
    sys.stdin.readline()
    lock.release()
except DataRootBusy as error:
    print("busy", error, flush=True)
"""


def test_one_of_many_processes_takes_a_lease_in_s3(object_store: ObjectStore) -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen([sys.executable, "-c", RACE, object_store.url], **pipes) for _ in range(4)]
    assert [run.stdout.readline() for run in runs] == ["ready\n"] * 4
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    answers = [run.stdout.readline() for run in runs]
    assert sorted(answer.split()[0] for answer in answers) == ["busy"] * 3 + ["held"]
    for run in runs:
        run.communicate("stop\n", timeout=60)
    data_root_lock(as_path(object_store.url)).acquire().release()
    assert object_store.objects() == [".run-00000002.json"]


def test_store_that_cannot_create_exclusively_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """rclone's server overwrites an object although the request says that it must not exist."""
    s3fs = pytest.importorskip("s3fs", reason="reads S3: pip install s3fs")
    s3fs.S3FileSystem.clear_instance_cache()  # of another server
    (tmp_path / BUCKET).mkdir()
    process, address = start(tmp_path)
    try:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": address}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(DataRootBusy, match=rf"s3://{BUCKET}/data cannot be locked.*If-None-Match.*mount this one"):
            data_root_lock(as_path(f"s3://{BUCKET}/data")).acquire()
        assert not list((tmp_path / BUCKET).rglob("*.json"))
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        process.kill()
        process.wait()


def test_lost_lease_stops_the_run(url: str) -> None:
    clock = Clock()
    lock = lease(url, clock).acquire(LATE)
    lock.check()
    claim(url, number=2, command="kedro run --env=theirs")
    lock.beat()
    with pytest.raises(DataRootBusy, match="'kedro run --env=theirs' has taken it over"):
        lock.check()
    before = leases(url)
    lock.release()
    assert leases(url) == before, "the other's lease is left alone"


def test_lease_that_cannot_be_refreshed_is_lost_in_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before another may take it: what counts is the last sign that arrived."""
    clock = Clock()
    lock = lease(url, clock).acquire(LATE)

    def broken(*_: Any) -> None:
        raise OSError("no network")

    with monkeypatch.context() as patched:
        patched.setattr(lock._storage, "pipe_file", broken)
        clock.now += DEAD_AFTER
        with pytest.raises(OSError, match="no network"):
            lock.beat()
        lock.check()
        clock.now += 1
        with pytest.raises(DataRootBusy, match="could not be refreshed"):
            lock.check()
    lock.release()


def test_thread_gives_signs_of_life(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "BEAT", 0.02)
    lock = LeaseLock(url).acquire(LATE)
    first = stored(url)["beat"]
    wait_for(lambda: stored(url)["beat"] > first, 20)
    lock.release()
    last = stored(url)["beat"]
    time.sleep(0.1)
    assert stored(url)["beat"] == last, "no sign of life after the end"


def test_hooks_stop_a_run_that_has_lost_its_data_root(url: str) -> None:
    hooks = DataRootHooks()
    hooks.after_context_created(
        SimpleNamespace(config_loader={"globals": {"data_root": url}}, project_path=Path("/project"))  # type: ignore[arg-type]
    )
    hooks.before_pipeline_run({"run_id": LATE})
    hooks.before_node_run()
    (lock,) = hooks._held.values()
    claim(url, number=2)
    assert isinstance(lock, LeaseLock)
    lock.beat()
    for hook in (hooks.before_node_run, hooks.before_dataset_saved):
        with pytest.raises(DataRootBusy, match="has lost the data root"):
            hook()
    hooks.on_pipeline_error(DataRootBusy("lost"))
    hooks.before_node_run()
