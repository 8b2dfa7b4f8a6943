"""Several processes train as one does: the same steps, the same result, and nobody is left behind."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from training_samples import architecture, parameters, table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.training import lightning, processes
from mixmas_pipeline.training.loss import balancing_weights, task_loss
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.progress import LOGGER, Step

Result = tuple[dict[str, torch.Tensor], pd.DataFrame]
# Enough epochs to be killed in, and enough processes for the order to matter in which their parts are added up.
LONG = {"devices": 3, "max_epochs": 25, "patience": 25}
ROWS = 83  # the last batch has 3


def fit(folder: Path, dropout: float = 0.2, rows: int = ROWS, **changes: Any) -> Result:
    settings = parameters(**changes)
    model, history = processes.train(architecture(dropout), table(rows, 0), table(41, 1), settings, folder)
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


def ranks_of(parent: int) -> dict[str, int]:
    """LOCAL_RANK -> process id, of the training processes that a process has started."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            ppid = int(status.read_text().rpartition(")")[2].split()[1])
            if ppid == parent and b"mixmas_pipeline.training.processes" in (status.parent / "cmdline").read_bytes():
                environment = (status.parent / "environ").read_bytes().split(b"\0")
                (rank,) = [entry.removeprefix(b"LOCAL_RANK=") for entry in environment if b"LOCAL_RANK=" in entry]
                found[rank.decode()] = int(status.parent.name)
        except (OSError, ValueError):  # it has just ended, or is just starting
            continue
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
    result = fit(tmp_path_factory.mktemp("pair"), 0.0, devices=2, strategy="ddp", balance="classes")
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
    return result, records


@pytest.fixture(scope="module")
def pair(pair_and_records: tuple[Result, list[logging.LogRecord]]) -> Result:
    """The result of two processes."""
    return pair_and_records[0]


# --- what each process computes ---------------------------------------------------------------------------------------


def modules(data: MultimodalTable, settings: TrainingParameters, world: int, **arguments: Any) -> list[Any]:
    """The data module of every process."""
    made = [lightning.TableModule(data, data, settings, **arguments) for _ in range(world)]
    for rank, module in enumerate(made):
        module.trainer = SimpleNamespace(current_epoch=0, global_rank=rank, world_size=world)
    return made


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("balance", ["none", "classes"])
def test_mean_of_the_processes_gradients_is_that_of_the_batch(
    make_table: Callable[..., MultimodalTable], world: int, task: str, balance: str
) -> None:
    """Against the gradient of the loss of the whole batch, as torch defines it. The last batch has 3 examples: too few
    for 5 processes, uneven for 2."""
    data = make_table(rows=13, task=task)
    labels = torch.from_numpy(data.labels.astype(np.int64))
    weights = balancing_weights(labels, 3, task).double() if balance == "classes" else None
    settings = parameters(batch_size=10, balance=balance)
    inputs = torch.from_numpy(data.arrays["series"].reshape(13, -1)).double()
    row_of = {row.tobytes(): number for number, row in enumerate(data.arrays["series"])}
    parts = [list(m.train_dataloader()) for m in modules(data, settings, world, class_weights=weights)]
    seen = []
    for batch in range(2):
        matrix = torch.randn(15, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        gradients, rows = [], []
        for rank in range(world):
            part, truth, share, *_ = parts[rank][batch]
            mine = [row_of[row.numpy().tobytes()] for row in part["series"]]
            leaf = matrix.clone().requires_grad_()
            (share * task_loss(inputs[mine] @ leaf, truth, task, weights)).backward()
            gradients.append(leaf.grad)
            rows += mine if share else []
        leaf = matrix.clone().requires_grad_()
        if task == "multilabel":
            whole = F.binary_cross_entropy_with_logits(inputs[rows] @ leaf, labels[rows].double(), pos_weight=weights)
        else:
            whole = F.cross_entropy(inputs[rows] @ leaf, labels[rows], weight=weights)
        whole.backward()
        torch.testing.assert_close(torch.stack(gradients).mean(0), leaf.grad, rtol=1e-12, atol=1e-14)
        seen += rows
    assert sorted(seen) == list(range(13))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_every_validation_row_is_seen_once_and_in_order(make_table: Callable[..., MultimodalTable], world: int) -> None:
    data = make_table(rows=1030)
    loaders = [module.val_dataloader() for module in modules(data, parameters(), world)]
    labels = np.concatenate([batch[1] for loader in loaders for batch in loader])
    assert (labels == data.labels).all()


def test_dropout_differs_between_processes_and_epochs() -> None:
    module = lightning.MixerModule(architecture(), parameters(), 1, np.zeros(1, np.int64))
    drawn = []
    with torch.random.fork_rng():
        for rank, epoch in ((0, 0), (1, 0), (0, 1), (1, 1)):
            module._trainer = SimpleNamespace(global_rank=rank, current_epoch=epoch)
            module.on_train_epoch_start()
            drawn.append(torch.rand(8))
    assert not any(torch.equal(drawn[i], drawn[j]) for i in range(4) for j in range(i))


# --- two processes ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_processes_log_comes_back_once(pair_and_records: tuple[Result, list[logging.LogRecord]]) -> None:
    """And so does their progress."""
    (_, history), records = pair_and_records
    best = history["validation_accuracy_fused"]
    said = [record.getMessage() for record in records if record.name == lightning.__name__]
    assert said == [f"trained for {len(history)} epochs, best accuracy {best.max():.4f} in epoch {best.argmax() + 1}"]
    events = [vars(record)["progress"] for record in records if record.name == LOGGER]
    batches, epochs = math.ceil(ROWS / parameters().batch_size), parameters().max_epochs
    text = f"epoch 1 of at most {epochs}, step 0 of {batches}"
    assert events[0] == Step(text, 0, batches * epochs, None, True, "")
    assert len([event for event in events if event.done == 0]) == 1


@pytest.mark.slow
def test_killed_training_leaves_nobody_and_is_gone_on_with(tmp_path: Path) -> None:
    """SIGKILL first of the process that wants the model, then of one that trains: the end is that of a training that
    nothing has disturbed, bit for bit."""
    folder = tmp_path / "killed"
    last = folder / "last.ckpt"
    call = f"import test_launch as t, pathlib; t.fit(pathlib.Path({str(folder)!r}), **t.LONG)"
    paths = os.pathsep.join([*sys.path])
    driver = subprocess.Popen([sys.executable, "-c", call], env={**os.environ, "PYTHONPATH": paths})
    try:
        until(lambda: last.exists() or driver.poll() is not None, "a first checkpoint")
        ranks = ranks_of(driver.pid)
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
        os.kill(ranks_of(os.getpid())["1"], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(RuntimeError, match=r"process 1 was ended by SIGKILL.*goes on from the last checkpoint"):
        fit(folder, **LONG)
    killer.join()
    assert not ranks_of(os.getpid())
    assert epochs < len(torch.load(last, weights_only=True)["history"]) < LONG["max_epochs"]
    assert_identical(fit(folder, **LONG), fit(tmp_path / "unbroken", **LONG))


def test_tables_are_read_from_the_files_that_they_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that a data set has read is not written again; one made in memory is, and only for the while."""
    saved = TableDataset(filepath=str(tmp_path / "saved.arrow"))
    saved.save(table(8, 0))
    loaded = saved.load()
    assert loaded.take(np.arange(3)).file is None, "a sample is not what the file holds"
    with processes._files({"train": loaded, "validation": table(5, 1)}, tmp_path / "work", everywhere=False) as files:
        assert files["train"] == str(tmp_path / "saved.arrow")
        again = TableDataset(filepath=files["validation"]).load()
        assert list(again.ids) == list(table(5, 1).ids)
        assert {path.name for path in (tmp_path / "work").rglob("*.arrow")} == {"validation.arrow"}
    assert not Path(files["validation"]).exists()


def test_fewer_validation_examples_than_processes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 validation examples for 3 processes"):
        processes.train(architecture(), table(20, 0), table(2, 1), parameters(devices=3), tmp_path)


# --- two hosts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def other_host(free_address: str) -> Iterator[subprocess.Popen[str]]:
    """This machine, as the second of two."""
    command = [sys.executable, "-m", "mixmas_pipeline.training.join", free_address, "--host=1"]
    joined = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield joined
    joined.kill()
    joined.wait()


@pytest.mark.slow
def test_two_hosts_train_as_two_processes_of_one_do(
    tmp_path: Path, free_address: str, other_host: subprocess.Popen[str], pair: Result
) -> None:
    """And an error of the training reaches the host of the run as what it is, after which the other host is ready for
    the next training."""
    two = {"num_nodes": 2, "address": free_address}
    with pytest.raises(FloatingPointError, match=r"training.learning_rate"):
        fit(tmp_path / "infinite", learning_rate=1e30, clip_norm=1e30, **two)
    assert_identical(fit(tmp_path / "finite", 0.0, balance="classes", **two), pair)
    assert other_host.poll() is None
    until(lambda: not ranks_of(other_host.pid), "the end of the other host's process", 20)
    other_host.kill()
    said = other_host.communicate()[0]
    assert said.count("Taking part in a training") == 2
    assert "epoch 1 of" not in said, "the progress is logged once, on the host of the run"


def test_host_that_does_not_come_is_named(tmp_path: Path, free_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "JOIN_TIMEOUT", 0.3)
    with pytest.raises(TimeoutError, match=rf"host 1, 2 of 3 has not joined {free_address}"):
        fit(tmp_path, num_nodes=3, address=free_address)


def test_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"training.address is '{address}'"):
            fit(tmp_path, num_nodes=2, address=address)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["10.0.0.1:29500", "--host=0"], "expected 1 or more"),
        (["10.0.0.1", "--host=1"], "expected host:port"),
    ],
)
def test_wrong_arguments_of_join_are_named(arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "mixmas_pipeline.training.join", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert said in done.stderr


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"devices": 0}, "devices is 0; expected a number from 1"),
        ({"devices": -2}, "devices is -2"),
        ({"devices": [0, 1]}, r"devices is \[0, 1\] with accelerator 'cpu'"),
        ({"devices": [1, 1], "accelerator": "gpu"}, r"devices is \[1, 1\]; expected numbers of GPUs, each once"),
        ({"devices": [], "accelerator": "gpu"}, r"devices is \[\]"),
        ({"devices": 2, "accelerator": "mps"}, "accelerator is 'mps' with 2 processes"),
        ({"num_nodes": 2}, "num_nodes is 2 and there is no address; expected host:port"),
        ({"num_nodes": 2, "address": "10.0.0.1"}, "address is '10.0.0.1'; expected host:port"),
        ({"num_nodes": 2, "address": "a:1", "devices": "auto"}, "every host has the same number of processes"),
        ({"devices": 4, "num_nodes": 5, "address": "a:1"}, "batch_size is 16 with 20 processes"),
        ({"strategy": "fsdp"}, "strategy"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parameters(**changes)


def test_settings_for_several_gpus_and_hosts_are_taken() -> None:
    for devices in (2, [0, 3]):
        parameters(accelerator="gpu", devices=devices, num_nodes=2, address="node-0:29500", strategy="ddp")


def test_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes._devices(parameters(devices=3)) == 3
    assert processes._devices(parameters(devices="auto")) == 1, "all of the CPU is one device"
    assert processes._devices(parameters(devices=-1)) == 1
    if not torch.cuda.is_available():
        with pytest.raises(Exception, match="gpu"):
            processes._devices(parameters(devices=2, accelerator="gpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for devices, count in ((2, 2), ([0, 3], 2), ("auto", 4), (-1, 4)):
        assert processes._devices(parameters(devices=devices, accelerator="gpu")) == count
    with pytest.raises(Exception, match="gpu"):
        processes._devices(parameters(devices=[0, 4], accelerator="gpu"))
