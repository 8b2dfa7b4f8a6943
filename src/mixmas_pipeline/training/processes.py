"""Full training in several processes that make every step together, on one host or on several.

The process that wants the model (the node's) takes no part. It keeps a store, which is a server on a port, puts the job
into it, and starts this module once for every device of its host; on the other hosts ``learning.join`` does the same.
What comes back is the folder of checkpoints, which the first process alone writes. So everyone maps the tables from
their files, nothing is sent or forked, and the node may run in a daemonic worker.

Nobody is left behind: each process ends when the one that has started it does, however that ended.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import uuid
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
import torch.distributed
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch.distributed import TCPStore

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.storage.paths import is_remote, is_whole, place, remove
from mixmas_pipeline.training import lightning
from mixmas_pipeline.training.identity import training_code
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.log_relay import Sender, echo, hand_on_all, levels, send_all
from mixmas_pipeline.utils.progress import LOGGER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mixmas_pipeline.models.multimodal import MultimodalMixer
    from mixmas_pipeline.storage.paths import Place

# Seconds that the other hosts have to join a training.
JOIN_TIMEOUT = 1800.0
_LOCALHOST = "127.0.0.1"
_log = logging.getLogger(__name__)


def train(
    architecture: Architecture,
    train_table: MultimodalTable,
    validation: MultimodalTable,
    parameters: TrainingParameters,
    checkpoints: Place,
) -> tuple[MultimodalMixer, pd.DataFrame]:
    """``learning.lightning.train``, in as many processes as the parameters ask for: in this one if that is one.

    Raises:
        ValueError: there are fewer validation examples than processes, or the address is not this host's.
        FloatingPointError: the training loss became NaN or infinite.
        TimeoutError: not all hosts have joined within ``JOIN_TIMEOUT``.
        RuntimeError: a process failed, or was killed. The message says what is known. The same call goes on from the
            last checkpoint.
    """
    devices = _devices(parameters)
    processes = devices * parameters.num_nodes
    if processes == 1:
        return lightning.train(architecture, train_table, validation, parameters, checkpoints)
    if len(validation) < processes:
        raise ValueError(
            f"there are {len(validation)} validation examples for {processes} processes; expected one or more for each"
        )
    last = checkpoints / "last.ckpt"
    everywhere = parameters.num_nodes > 1
    with _files({"train": train_table, "validation": validation}, checkpoints, everywhere) as files:
        job = {
            "id": uuid.uuid4().hex,
            "devices": devices,
            "architecture": architecture.model_dump(mode="json"),
            "parameters": parameters.model_dump(mode="json"),
            "tables": files,
            "checkpoints": str(checkpoints.absolute()),
            "needed": [*files.values(), *([str(last.absolute())] if is_whole(last) else [])],
            "versions": _versions(architecture.model_dump(mode="json")),
            "levels": levels(),
        }
        store, address = _serve(parameters)
        store.set("job", json.dumps(job))
        if parameters.num_nodes > 1:
            _wait_for_hosts(store, parameters.num_nodes, address)
        run_ranks(store, address, host=0, devices=devices)
    return lightning.trained(architecture, checkpoints)


def run_ranks(store: TCPStore, address: str, host: int, devices: int) -> None:
    """Start this host's processes, and wait until all of them have ended well.

    When one fails, or this one is stopped, the others are killed.

    Args:
        store: of the training, at ``address``.
        host: number of this host, from 0.
        devices: processes on each host.

    Raises:
        FloatingPointError, RuntimeError: as ``train``.
    """
    threads = max(1, torch.get_num_threads() // devices)  # what this process may use, shared out
    server, port = _split(address)
    environment = {
        **os.environ,
        # Where this package was found; it need not be installed.
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]).strip(":"),
        "OMP_NUM_THREADS": str(threads),
        "MASTER_ADDR": server,
        "MASTER_PORT": str(port),
        "NODE_RANK": str(host),
        # What torch warns of is that no parameter is unused (see lightning._together); errors are exceptions.
        "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
        # torch: the store is served already, so that no port is chosen twice.
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    command = [sys.executable, "-m", __name__]
    started: dict[int, subprocess.Popen[str]] = {}
    readers: list[threading.Thread] = []
    try:
        for local in range(devices):
            rank = host * devices + local
            ours, theirs = Pipe(duplex=False)
            # Nothing is written to its standard input: that is closed when this process ends, in whatever way.
            started[rank] = process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**environment, "LOCAL_RANK": str(local)},
            )
            theirs.close()
            assert process.stdout is not None
            readers += [
                threading.Thread(target=hand_on_all, args=(ours,), daemon=True),
                threading.Thread(target=echo, args=(process.stdout, partial(str, f"process {rank}")), daemon=True),
            ]
            for reader in readers[-2:]:
                reader.start()
        while True:
            codes = {rank: process.poll() for rank, process in started.items()}
            if any(codes.values()):
                raise _failure(store, {rank: code for rank, code in codes.items() if code})
            if None not in codes.values():
                return
            time.sleep(0.05)
    finally:
        for process in started.values():
            process.kill()
        for process in started.values():
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        for reader in readers:
            reader.join(1.0)  # what they have said is shown before anything follows from it


def _devices(parameters: TrainingParameters) -> int:
    """Processes on each host.

    Raises:
        Exception: Lightning's, where this host has not the GPUs that are asked for.
    """
    if parameters.devices == 1 or (parameters.accelerator == "cpu" and isinstance(parameters.devices, int)):
        return max(1, int(parameters.devices))  # -1: all, and the CPU is one
    trainer = pl.Trainer(
        accelerator=parameters.accelerator,
        devices=parameters.devices,
        plugins=[LightningEnvironment()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    return trainer.num_devices


@contextmanager
def _files(tables: dict[str, MultimodalTable], checkpoints: Place, everywhere: bool) -> Iterator[dict[str, str]]:
    """A file for every table. What has none, such as a sample, is written beside the checkpoints for the while; so is
    this machine's copy of what lies in an object store, if it is needed ``everywhere``."""
    folder = checkpoints / "tables"
    files = {}
    try:
        for name, table in tables.items():
            file = None if everywhere and is_remote(checkpoints) else table.file
            files[name] = file or str((folder / f"{name}.arrow").absolute())
            if file is None:
                TableDataset(filepath=files[name]).save(table)
        yield files
    finally:
        remove(folder)


def _serve(parameters: TrainingParameters) -> tuple[TCPStore, str]:
    """The store, and where it is."""
    if parameters.num_nodes == 1:
        # Bound to this host alone, on a port that the system chooses.
        with socket.create_server((_LOCALHOST, 0)) as listener:
            port = listener.getsockname()[1]
            store = TCPStore(
                _LOCALHOST, port, is_master=True, wait_for_workers=False, master_listen_fd=os.dup(listener.fileno())
            )
            return store, f"{_LOCALHOST}:{port}"
    assert parameters.address is not None
    server, port = _split(parameters.address)
    try:
        store = TCPStore(server, port, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=20))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"training.address is {parameters.address!r}; expected a name of this host and a port that is free: {error}"
        ) from error
    return store, parameters.address


def _wait_for_hosts(store: TCPStore, hosts: int, address: str) -> None:
    deadline = time.monotonic() + JOIN_TIMEOUT
    said: list[int] = []
    while missing := [host for host in range(1, hosts) if not store.add(f"host {host}", 0)]:
        if missing != said:
            command = f"python -m mixmas_pipeline.training.join {address} --host=N"
            _log.info("Waiting for host %s to join: %s", ", ".join(map(str, missing)), command)
            said = missing
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"host {', '.join(map(str, missing))} of {hosts} has not joined {address} within {JOIN_TIMEOUT:g} "
                "seconds; see docs/running.md, Several hosts"
            )
        time.sleep(0.2)


def _failure(store: TCPStore, codes: dict[int, int]) -> Exception:
    """What is known of why processes ended with these codes, not 0: of those killed, and the first that said why."""
    said = [f"process {rank} was ended by {signal.Signals(-code).name}" for rank, code in codes.items() if code < 0]
    if store.add("reports", 0):
        report = json.loads(store.get("report 1"))
        if report["type"] == FloatingPointError.__name__:
            return FloatingPointError(report["message"])
        said.append(f"process {report['rank']} failed: {report['type']}: {report['message']}")
    if not said:
        said = [f"process {rank} ended with exit code {code}" for rank, code in codes.items()]
    return RuntimeError(f"{'; '.join(said)}. The next run goes on from the last checkpoint")


def _versions(architecture: dict[str, Any]) -> dict[str, str]:
    code = training_code(architecture)
    return {"mixmas_pipeline (code)": code, "torch": torch.__version__, "pytorch_lightning": pl.__version__}


def log_as_kedro() -> None:
    """Set up logging as ``kedro run`` does, from ``conf/logging.yml`` where that is there."""
    logging.disable(logging.INFO)  # that it does so need not be said again
    import kedro.framework.project  # noqa: F401

    logging.disable(logging.NOTSET)
    logging.getLogger("mixmas_pipeline").setLevel(logging.INFO)


def _split(address: str) -> tuple[str, int]:
    server, _, port = address.rpartition(":")
    return server, int(port)


# --- in the processes that train ------------------------------------------------------------------------------------


def _main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    job = json.loads(store.get("job"))
    rank = int(os.environ["NODE_RANK"]) * job["devices"] + int(os.environ["LOCAL_RANK"])
    _send_records(rank, job["levels"], Connection(int(sys.argv[1]), readable=False))
    try:
        _fit(job)
    except BaseException as error:
        report = json.dumps({"rank": rank, "type": type(error).__name__, "message": str(error)})
        store.set(f"report {store.add('reports', 1)}", report)
        if not isinstance(error, FloatingPointError):
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)  # what waits for the other processes would wait for ever


def _fit(job: dict[str, Any]) -> None:
    host = socket.gethostname()
    if (versions := _versions(job["architecture"])) != job["versions"]:
        raise ValueError(f"host {host} has {versions}; the host that has started the training has {job['versions']}")
    for file in job["needed"]:
        if not is_whole(place(file)):
            raise FileNotFoundError(f"{file} is not there on host {host}; all hosts see the data under the same path")
    tables = {name: TableDataset(filepath=file).load() for name, file in job["tables"].items()}
    lightning.fit(
        Architecture.model_validate(job["architecture"]),
        tables["train"],
        tables["validation"],
        TrainingParameters.model_validate(job["parameters"]),
        place(job["checkpoints"]),
        together=True,
    )
    torch.distributed.destroy_process_group()


def _end_with_parent() -> None:
    os.read(0, 1)  # comes back when the other end of the pipe is closed
    os._exit(1)


def _send_records(rank: int, levels: dict[str, int], connection: Connection) -> None:
    """What is logged goes to the process that has started this one; all know the same, so one says it."""
    if rank:
        levels |= {"mixmas_pipeline": logging.WARNING, LOGGER: logging.WARNING}
    send_all(Sender(connection.send), levels)


if __name__ == "__main__":
    _main()
