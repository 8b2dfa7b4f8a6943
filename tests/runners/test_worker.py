"""A worker process: its records and output, how it starts, and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import probes
import pytest
from child_processes import command, workers

from mixmas_pipeline.runners import local_executor
from mixmas_pipeline.runners.worker import Worker, _reason

PATHS = os.pathsep.join([str(Path(probes.__file__).parent), *sys.path])


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    return bool(command(pid))


def test_records_and_output_come_with_the_name_of_the_node(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also what a program that the node starts prints; and a record comes before its node counts as done."""
    graph, values = probes.pipeline(probes.say, {"a": "this", "b": "that"})
    caplog.set_level(logging.INFO, "mixmas_pipeline")
    probes.run(tmp_path, graph, values, cores=2)
    messages = [record.getMessage() for record in caplog.records]
    for node, word in (("run_a", "this"), ("run_b", "that")):
        for how in ("logged", "printed", "printed by a program"):
            assert messages.count(f"{node}: {word} is {how}") == 1
    assert {vars(r).get("node") for r in caplog.records if "is logged" in r.getMessage()} == {"run_a", "run_b"}


SCRIPT = """
import pathlib, sys, torch, probes
print("the main script runs")
torch.randn(500, 500) @ torch.randn(500, 500)  # a fork of this process would hang in its own threads
graph, values = probes.pipeline(probes.compute, {"a": 1, "b": 2})
probes.run(pathlib.Path(sys.argv[1]), graph, values, cores=4, shares={"trial": {"cpus": 2}})
print("the main script ends")
"""


def test_workers_neither_fork_the_run_nor_run_the_main_script_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path / "outputs")]
    environment = {**os.environ, "PYTHONPATH": PATHS, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count("the main script runs") == done.stdout.count("the main script ends") == 1


def test_a_worker_that_is_killed_while_idle_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next node gets a new worker, and does not count as lost."""
    first, values = probes.pipeline(probes.stay, {"a": 0.1, "b": 0.1})
    executors: list[local_executor.LocalExecutor] = []
    original = local_executor.LocalExecutor._start_in_worker

    def kill_the_idle(executor: local_executor.LocalExecutor, node: probes.Node) -> None:
        for worker in executor._idle:
            os.kill(worker._pid, signal.SIGKILL)
            while is_alive(worker._pid):
                time.sleep(0.05)
            time.sleep(0.2)  # for loky to notice
            executors.append(executor)
        original(executor, node)

    monkeypatch.setattr(local_executor.LocalExecutor, "_start_in_worker", kill_the_idle)
    later = [probes.Node(probes.same, ["a"], f"later_{n}", name=f"later_{n}", tags="trial") for n in (1, 2)]
    probes.run(tmp_path, first + probes.Pipeline(later), values, cores=2)
    assert executors, "a worker was idle"
    assert "run again" not in caplog.text


def test_a_worker_that_was_just_killed_can_be_stopped() -> None:
    """Other workers must be stopped after it."""
    worker = Worker(None)
    assert worker._executor.submit(os.getpid).result(60)
    worker._pid = worker._executor.submit(os.getpid).result(60)
    os.kill(worker._pid, signal.SIGKILL)
    while is_alive(worker._pid):
        time.sleep(0.05)
    worker.interrupt()
    worker.close()


def test_a_record_that_cannot_be_read_does_not_stop_the_reading(caplog: pytest.LogCaptureFixture) -> None:
    """Unread, the pipe would fill up and the worker would wait for ever."""
    worker = Worker(None)
    messages, _ = worker._ends_of_worker
    messages.send_bytes(b"no pickle")
    messages.send(None)
    reader = worker._readers[0]
    reader.start()
    assert worker._all_records_handled.wait(10)
    worker.close()
    assert not reader.is_alive()
    assert "a log record cannot be read" in caplog.text


def test_output_of_a_process_that_outlives_its_worker_is_left_alone() -> None:
    """The reader of the output waits as long as that process has the pipe. Were its descriptor closed and given to
    another pipe, it would take what is sent there."""
    worker = Worker(None)
    held = os.dup(worker._ends_of_worker[1].fileno())
    worker._readers[1].start()
    number = worker._output.fileno()
    worker.close()
    assert worker._readers[1].is_alive()
    assert os.fstat(number)
    os.close(held)
    worker._readers[1].join(10)
    assert not worker._readers[1].is_alive()


def test_the_environment_is_that_of_the_worker() -> None:
    worker = Worker("7")
    try:
        assert worker._executor.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result(60) == "7"
        assert worker._executor.submit(os.getenv, "OMP_NUM_THREADS").result(60) == "1"
        assert len(workers(os.getpid())) == 1
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param(
            "terminated.\n\nThe exit codes of the workers are {SIGKILL(-9)}\n",
            "its process was killed by SIGKILL (by the system, if memory was short: a lower compute.cores needs less)",
            id="out of memory",
        ),
        pytest.param(
            "The exit codes of the workers are {SIGSEGV(-11)}", "its process was killed by SIGSEGV", id="crash"
        ),
        pytest.param("The exit codes of the workers are {EXIT(3)}", "its process ended with 3", id="exit code"),
        pytest.param("the pool is broken\nreally", "its process ended (the pool is broken)", id="unknown"),
    ],
)
def test_the_reason_of_a_loss_is_named(message: str, reason: str) -> None:
    assert _reason(message) == reason


# --- the end of a run ------------------------------------------------------------------------------------------------
ENDLESS = """
import signal, sys, pathlib, probes
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with SIGINT ignored
folder = pathlib.Path(sys.argv[1])
graph, values = probes.pipeline(probes.write_on, {"a": str(folder), "b": str(folder)})
probes.run(folder / "outputs", graph, values, cores=2)
"""


@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGKILL, id="the run is killed"), pytest.param(signal.SIGINT, id="Ctrl-C")]
)
def test_workers_end_with_the_run(tmp_path: Path, how: signal.Signals) -> None:
    """SIGKILL reaches the run alone; Ctrl-C reaches each process of the terminal, and unfinished files are removed."""
    run = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": PATHS},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while len(files := list(tmp_path.glob("*.pid"))) < 2:
            assert time.monotonic() < deadline
            assert run.poll() is None, run.stdout and run.stdout.read()
            time.sleep(0.1)
        pids = [int(file.stem) for file in files]
        assert run.pid not in pids
        os.kill(run.pid, how) if how == signal.SIGKILL else os.killpg(run.pid, how)
        output, _ = run.communicate(timeout=60)
        deadline = time.monotonic() + (2 if how == signal.SIGKILL else 20)
        while any(map(is_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_alive, pids))
        sizes = [file.stat().st_size for file in files]
        time.sleep(0.3)
        assert [file.stat().st_size for file in files] == sizes, "nothing is written any more"
        assert len(list(tmp_path.glob("*.unfinished"))) == (0 if how == signal.SIGINT else 2)
        if how == signal.SIGINT:
            assert "KeyboardInterrupt" in output
            assert "run again" not in output
    finally:
        for pid in filter(is_alive, [run.pid, *(int(file.stem) for file in tmp_path.glob("*.pid"))]):
            os.kill(pid, signal.SIGKILL)
