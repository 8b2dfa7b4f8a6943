"""Several processes train as one does: the same steps, the same result, and nobody is left behind."""

from __future__ import annotations

import io
import logging
import math
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from training_samples import architecture, lacking, parameters, settings_of, table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training import distributed, lightning_module
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.worker import RECORD
from mixmas_pipeline.utils.progress import LOGGER, StepsDone

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


Result = tuple[dict[str, torch.Tensor], pd.DataFrame]
# Enough epochs to be killed in, and enough processes for the order to matter in which their parts are added up.
LONG = {"devices": 3, "max_epochs": 25, "patience": 25}
ROWS = 83  # the last batch has 3
SOURCE = Path(distributed.__file__).parents[2]
WORKER = "mixmas_pipeline.training.worker"


def fit(folder: Path, dropout: float = 0.2, rows: int = ROWS, **changes: Any) -> Result:
    settings = parameters(**changes)
    model, history = distributed.train(architecture(dropout), table(rows, 0), table(41, 1), settings, folder)
    return model.state_dict(), history.drop(columns="seconds")


def assert_identical(one: Result, other: Result) -> None:
    pd.testing.assert_frame_equal(one[1], other[1], check_exact=True)
    for name, weight in one[0].items():
        assert torch.equal(weight, other[0][name]), name


def until(condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {what}"
        time.sleep(0.005)
    return found


def children(parent: int, module: str) -> list[Path]:
    """Folders in /proc of the processes that a process has started to run a module."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            ppid = int(status.read_text().rpartition(")")[2].split()[1])
            if ppid == parent and f"-m\0{module}\0".encode() in (status.parent / "cmdline").read_bytes():
                found.append(status.parent)
        except (OSError, ValueError):  # it has just ended, or is just starting
            continue
    return found


def workers_of(parent: int) -> dict[str, int]:
    """LOCAL_RANK -> process id, of the workers that a process's torchrun has started."""
    found = {}
    for torchrun in children(parent, "torch.distributed.run"):
        for worker in children(int(torchrun.name), WORKER):
            environment = (worker / "environ").read_bytes().split(b"\0")
            (rank,) = [entry.removeprefix(b"LOCAL_RANK=") for entry in environment if entry.startswith(b"LOCAL_RANK=")]
            found[rank.decode()] = int(worker.name)
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def pair_and_records(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, list[logging.LogRecord]]:
    """Two processes; what they do can be compared with one, having no dropout. And what they have logged."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("mixmas_pipeline", LOGGER)]
    before = [logger.level for logger in loggers]
    for logger, level in zip(loggers, (logging.INFO, logging.DEBUG), strict=True):
        logger.setLevel(level)
    loggers[0].addHandler(handler)
    result = fit(tmp_path_factory.mktemp("pair"), 0.0, devices=2, balance="classes")
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
    return result, records


@pytest.fixture(scope="module")
def pair(pair_and_records: tuple[Result, list[logging.LogRecord]]) -> Result:
    """The result of two processes."""
    return pair_and_records[0]


# --- two processes ----------------------------------------------------------------------------------------------------


def test_two_processes_train_as_one(tmp_path: Path, pair: Result) -> None:
    """To rounding, with weighed classes and uneven batches. Left out are biases that the loss does not depend on (of
    token mixing: a normalisation takes them away): their gradient is rounding noise, which Adam scales up."""
    weights, history = fit(tmp_path, 0.0, balance="classes")
    pd.testing.assert_frame_equal(pair[1], history, rtol=1e-5, check_exact=False)
    compared = [name for name in weights if not name.endswith(("token_mixing.3.bias", "token_alignment.0.bias"))]
    assert len(compared) >= len(weights) - 4
    for name in compared:
        difference = (pair[0][name] - weights[name]).abs().max() / weights[name].abs().max().clamp(min=1e-30)
        assert difference < 1e-5, f"{name}: {difference:.1e}"


def test_what_processes_log_comes_back_once(pair_and_records: tuple[Result, list[logging.LogRecord]]) -> None:
    """And so does their progress."""
    (_, history), records = pair_and_records
    best = history["validation_accuracy_fused"]
    said = [record.getMessage() for record in records if record.name == lightning_module.__name__]
    assert said == [f"trained for {len(history)} epochs, best accuracy {best.max():.4f} in epoch {best.argmax() + 1}"]
    events = [vars(record)["progress"] for record in records if record.name == LOGGER]
    batches, epochs = math.ceil(ROWS / parameters().batch_size), parameters().max_epochs
    text = f"epoch 1 of at most {epochs}, step 0 of {batches}"
    assert events[0] == StepsDone(text, 0, batches * epochs, at_most=True)
    assert len([event for event in events if event.done == 0]) == 1


@pytest.mark.slow
def test_two_processes_train_with_the_recipe(tmp_path: Path) -> None:
    """Each changes its part of a batch in its own way, and that way follows from the seed."""
    settings = {"devices": 2, "max_epochs": 2, "patience": 2, "recipe": {"label_smoothing": 0.1}}
    first, second = (fit(tmp_path / name, balance="classes", **settings) for name in ("first", "second"))
    assert_identical(first, second)
    weights = torch.load(tmp_path / "first" / "best.ckpt", weights_only=True)["state_dict"]
    for name, weight in first[0].items():
        assert torch.equal(weight, weights[f"averaged.{name}"]), name
    assert not torch.equal(weights["averaged.fused_head.linear.weight"], weights["model.fused_head.linear.weight"])


@pytest.mark.slow
def test_killed_training_leaves_nobody_and_is_gone_on_with(tmp_path: Path) -> None:
    """SIGKILL first of the process that wants the model, then of one that trains: the end is that of a training that
    nothing has disturbed, bit for bit."""
    folder = tmp_path / "killed"
    last = folder / "last.ckpt"
    call = f"import test_distributed as t, pathlib; t.fit(pathlib.Path({str(folder)!r}), **t.LONG)"
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    driver = subprocess.Popen([sys.executable, "-c", call], env={**os.environ, "PYTHONPATH": paths})
    try:
        until(lambda: last.exists() or driver.poll() is not None, "a first checkpoint")
        ranks = workers_of(driver.pid)
        assert set(ranks) == {"0", "1", "2"}
    finally:
        driver.kill()
        driver.wait()
    until(lambda: not any(map(is_running, ranks.values())), "the end of the processes", 20)
    epochs = len(torch.load(last, weights_only=True)["history"])
    assert 1 <= epochs < LONG["max_epochs"]

    known = last.stat().st_mtime_ns

    def kill_one() -> None:
        until(lambda: last.stat().st_mtime_ns != known, "a second checkpoint")
        os.kill(workers_of(os.getpid())["1"], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(RuntimeError, match=r"process 1 failed: Signal 9 \(SIGKILL\).*resumes from the last checkpoint"):
        fit(folder, **LONG)
    killer.join()
    assert not workers_of(os.getpid())
    assert epochs < len(torch.load(last, weights_only=True)["history"]) < LONG["max_epochs"]
    assert_identical(fit(folder, **LONG), fit(tmp_path / "unbroken", **LONG))


def test_tables_are_read_from_the_files_that_they_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that a data set has read is not written again; one made in memory is, and only for the while."""
    saved = TableDataset(filepath=str(tmp_path / "saved.arrow"))
    saved.save(table(8, 0))
    loaded = saved.load()
    assert loaded.take(np.arange(3)).file is None, "a sample is not what the file holds"
    with distributed._files({"train": loaded, "validation": table(5, 1)}, tmp_path / "work", everywhere=False) as files:
        assert files["train"] == str(tmp_path / "saved.arrow")
        again = TableDataset(filepath=files["validation"]).load()
        assert list(again.ids) == list(table(5, 1).ids)
        assert {path.name for path in (tmp_path / "work").rglob("*.arrow")} == {"validation.arrow"}
    assert not Path(files["validation"]).exists()


def test_fewer_validation_examples_than_processes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 validation examples for 3 processes"):
        distributed.train(architecture(), table(20, 0), table(2, 1), parameters(devices=3), tmp_path)


# --- two hosts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def other_host(address: str, folder: Path, source: Path = SOURCE) -> Iterator[subprocess.Popen[bytes]]:
    """This machine, as the second of two: the documented command in a loop. Its output goes into ``other.log``."""
    # "is_host" is what torchrun finds out by itself if the address is another machine's.
    torchrun = f"{sys.executable} -m torch.distributed.run --nnodes=2 --nproc-per-node=1 --rdzv-backend=c10d"
    torchrun += f" --rdzv-endpoint={address} --rdzv-conf=is_host=false"
    loop = f"while true; do {torchrun} -m {WORKER} {folder}/job.json; sleep 1; done"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    with (folder / "other.log").open("wb") as log:
        started = subprocess.Popen(
            ["sh", "-c", loop], stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env=environment
        )
        try:
            yield started
        finally:
            os.killpg(started.pid, signal.SIGTERM)
            started.wait()


@pytest.mark.slow
def test_two_hosts_train_as_two_processes_of_one_do(tmp_path: Path, free_address: str, pair: Result) -> None:
    """And an error of the training reaches the host of the run as what it is, after which the other host is ready for
    the next training."""
    two = {"num_nodes": 2, "address": free_address}
    with other_host(free_address, tmp_path) as other:
        with pytest.raises(FloatingPointError, match=r"training.learning_rate"):
            fit(tmp_path / "infinite", learning_rate=1e30, clip_norm=1e30, **two)
        assert_identical(fit(tmp_path / "finite", 0.0, balance="classes", **two), pair)
        assert other.poll() is None
    assert "epoch 1 of" not in (tmp_path / "other.log").read_text(), "the host of the run alone logs the progress"
    assert not (tmp_path / "job.json").exists()


@pytest.mark.slow
def test_host_with_other_code_is_refused(tmp_path: Path, free_address: str) -> None:
    changed = tmp_path / "src"
    shutil.copytree(SOURCE, changed, ignore=shutil.ignore_patterns("__pycache__"))
    loss = changed / "mixmas_pipeline" / "training" / "loss.py"
    source = loss.read_text()
    assert "(1 - weight) / len(auxiliary)" in source
    loss.write_text(source.replace("(1 - weight) / len(auxiliary)", "(2 - weight) / len(auxiliary)"))
    with other_host(free_address, tmp_path, changed), pytest.raises(RuntimeError, match="differ in the code of mixmas"):
        fit(tmp_path / "other", num_nodes=2, address=free_address)


def test_hosts_that_do_not_come_are_an_error(
    tmp_path: Path, free_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "JOIN_TIMEOUT", 1)
    with pytest.raises(TimeoutError, match=rf"expected 3 hosts at {free_address}; not all joined within 1 seconds"):
        fit(tmp_path, num_nodes=3, address=free_address)


def test_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"training.address is '{address}'"):
            fit(tmp_path, num_nodes=2, address=address)


def test_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed.processes_per_host(parameters(devices=3)) == 3
    assert distributed.processes_per_host(parameters(devices="auto")) == 1, "all of the CPU is one device"
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="CUDA"):
            distributed.processes_per_host(parameters(devices=2, device="cuda"))
        with pytest.raises(ValueError, match=r"devices is \[0, 1\], numbers of GPUs"):
            distributed.processes_per_host(parameters(devices=[0, 1], device="auto"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for devices, count in ((2, 2), ([0, 3], 2), ("auto", 4)):
        assert distributed.processes_per_host(parameters(devices=devices, device="cuda")) == count
    for absent in (5, [0, 4]):
        with pytest.raises(ValueError, match="torch sees 4 GPUs"):
            distributed.processes_per_host(parameters(devices=absent, device="cuda"))


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(
    make_table: MakeTable, make_architecture: MakeArchitecture, tmp_path: Path
) -> None:
    """Missing modalities and dropped ones, up to rounding; a validation score of a head is of those that have it."""
    train, validation = lacking(make_table(50)), lacking(make_table(31, seed=1))
    plan = make_architecture(function="mean")
    found = []
    for devices in (1, 2):
        given_ = settings_of(modality_dropout=0.3, devices=devices, max_epochs=2, patience=2)
        model, history = distributed.train(plan, train, validation, given_, tmp_path / str(devices))
        found.append((model, history))
    (one, history), (two, same) = found
    cpu = torch.device("cpu")
    logits = compute_logits(one, validation, cpu)
    for head, values in compute_logits(two, validation, cpu).items():
        np.testing.assert_allclose(values, logits[head], atol=1e-3)
    columns = ["train_loss", "validation_loss", "validation_accuracy_series"]
    np.testing.assert_allclose(history[columns], same[columns], rtol=1e-3)
    best = history["validation_accuracy_fused"].idxmax()
    there = validation.present["series"]
    by_hand = (logits["series"].argmax(axis=1) == validation.labels)[there].mean()
    assert history["validation_accuracy_series"][best] == pytest.approx(by_hand)


def test_a_broken_record_does_not_stop_the_reading(caplog: pytest.LogCaptureFixture) -> None:
    """Two workers' long lines may be mixed. Unread, the pipe would fill up and the workers would wait for ever."""
    caplog.set_level(logging.INFO, "mixmas_pipeline")
    record = logging.makeLogRecord({"name": "mixmas_pipeline.x", "msg": "whole", "levelno": logging.INFO})
    line = f"{RECORD}{b64encode(pickle.dumps(record)).decode()}"
    distributed._show(io.StringIO(f"{line[:50]}{line[:50]}\n{RECORD}!\nprinted{line}\n"))
    messages = [record.getMessage() for record in caplog.records]
    assert [message.startswith("A log record of a training process cannot be read") for message in messages[:2]] == [
        True,
        True,
    ]
    assert messages[2:] == ["training process: printed", "whole"]
