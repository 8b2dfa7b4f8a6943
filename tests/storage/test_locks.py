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
        return DiskLock(tmp_path) if storage == "disk" else LeaseLock(f"memory://{tmp_path}", settle=0)

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
    return LeaseLock(url, clock, settle=0)


def stored(url: str) -> dict[str, Any]:
    import fsspec

    return json.loads(fsspec.filesystem("memory").cat_file(f"{url}/{HOLDER_FILE}"))


def claim(url: str, **changes: Any) -> None:
    """Another machine's lease."""
    import fsspec

    holder = {**locking._this_process(), "command": "kedro run", "host": "far", "pid": 7, "machine": "other", **changes}
    record = {"last_run": EARLY, "holder": holder, "beat": changes.get("beat", 1_000_000.0), "token": "theirs"}
    fsspec.filesystem("memory").pipe_file(f"{url}/{HOLDER_FILE}", json.dumps(record).encode())


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
    claim(url, **{**here, "pid": os.getpid()})  # the number is another process's now
    lease(url, clock).acquire("2027").release()


def test_of_two_that_begin_at_once_one_gives_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    late = lease(url, clock)
    late._take()  # nobody is there ...
    monkeypatch.setattr(time, "sleep", lambda seconds: claim(url))  # ... but somebody else comes in between
    with pytest.raises(DataRootBusy, match="process 7 on far"):
        late.acquire(LATE)
    assert stored(url)["token"] == "theirs"


def test_lost_lease_stops_the_run(url: str) -> None:
    clock = Clock()
    lock = lease(url, clock).acquire(LATE)
    lock.check()
    claim(url, command="kedro run --env=theirs")
    lock.beat()
    with pytest.raises(DataRootBusy, match="'kedro run --env=theirs' has taken it over"):
        lock.check()
    lock.release()
    assert stored(url)["token"] == "theirs", "the other's lease is left alone"


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
    lock = LeaseLock(url, settle=0).acquire(LATE)
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
    claim(url)
    assert isinstance(lock, LeaseLock)
    lock.beat()
    for hook in (hooks.before_node_run, hooks.before_dataset_saved):
        with pytest.raises(DataRootBusy, match="has lost the data root"):
            hook()
    hooks.on_pipeline_error(DataRootBusy("lost"))
    hooks.before_node_run()
