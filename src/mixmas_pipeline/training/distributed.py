"""Full training in two or more processes that make every step together, on one host or more. torchrun starts them.

The process that wants the model (the node's) takes no part. It writes the job into a file, starts ``torchrun`` with
``training.worker`` as the program, and reads the result from the folder of checkpoints. Every worker maps the tables
from their files; nothing is sent or forked, so the node may run in a daemonic process. Log records come back over
standard output. The workers end when this process ends, however that happens: they read its end from standard input.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pandas as pd
import torch

from mixmas_pipeline.data.arrow import write_table
from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.storage.atomic import write_atomically
from mixmas_pipeline.storage.paths import as_path, is_remote, remove
from mixmas_pipeline.training import fit
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.worker import RECORD, STARTED_BY_RUN, Job
from mixmas_pipeline.utils.devices import pick_device
from mixmas_pipeline.utils.remote_logs import LITERAL, handle_record, logger_levels

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath

JOIN_TIMEOUT = 1800  # seconds that the other hosts have to join a training
_WORKER = "mixmas_pipeline.training.worker"
_log = logging.getLogger(__name__)


def train(
    architecture: Architecture,
    train_table: MultimodalTable,
    validation: MultimodalTable,
    parameters: TrainingParameters,
    checkpoints: AnyPath,
) -> tuple[MultimodalMixer, pd.DataFrame]:
    """``fit.train``, in as many processes as the parameters say. A single one is this process.

    Raises:
        ValueError: there are fewer validation examples than processes, the address cannot be listened on, or the device
            does not exist here.
        FloatingPointError: the training loss is NaN or infinite.
        TimeoutError: not all hosts joined within ``JOIN_TIMEOUT``.
        RuntimeError: a process failed or was killed. The same call resumes from the last checkpoint.
    """
    per_host = processes_per_host(parameters)
    processes = per_host * parameters.num_nodes
    if processes == 1:
        return fit.train(architecture, train_table, validation, parameters, checkpoints)
    if len(validation) < processes:
        raise ValueError(
            f"there are {len(validation)} validation examples for {processes} processes; expected one or more for each"
        )
    everywhere = parameters.num_nodes > 1
    with _files({"train": train_table, "validation": validation}, checkpoints, everywhere) as files:
        job = Job(
            architecture=architecture,
            parameters=parameters,
            tables=files,
            checkpoints=str(checkpoints.absolute()),
            levels=logger_levels(),
        )
        # Other hosts look for the next job under one name, whichever training it is.
        file = (checkpoints.parent if everywhere else checkpoints) / "job.json"
        write_atomically(file, partial(Path.write_text, data=job.model_dump_json()))
        try:
            _run(_torchrun(parameters, per_host), str(file.absolute()), parameters, per_host)
        finally:
            remove(file)
    return fit.trained(architecture, checkpoints, parameters.keep)


def processes_per_host(parameters: TrainingParameters) -> int:
    """The number of processes on this host.

    Raises:
        ValueError: this host lacks the GPUs that the parameters name.
    """
    devices, on_gpu = parameters.devices, pick_device(parameters.device).type == "cuda"
    if not on_gpu:
        if isinstance(devices, list):
            raise ValueError(f"training.devices is {devices}, numbers of GPUs, and torch sees no CUDA device")
        return 1 if devices == "auto" else devices
    gpus = torch.cuda.device_count()
    if devices == "auto":
        return gpus
    wanted = devices if isinstance(devices, list) else list(range(devices))
    if max(wanted) >= gpus:
        raise ValueError(f"training.devices is {devices!r}, and torch sees {gpus} GPUs here")
    return len(wanted)


def _torchrun(parameters: TrainingParameters, per_host: int) -> list[str]:
    """torchrun's arguments that every host of a training shares."""
    if parameters.num_nodes == 1:
        return ["--standalone", f"--nproc-per-node={per_host}"]
    return [
        f"--nnodes={parameters.num_nodes}",
        f"--nproc-per-node={per_host}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={parameters.address}",
    ]


def _run(arguments: list[str], job: str, parameters: TrainingParameters, per_host: int) -> None:
    """Run torchrun on this host, and wait until all workers have ended well."""
    if parameters.num_nodes > 1:
        _log.info("Waiting for the other hosts. Run there: torchrun %s -m %s %s", " ".join(arguments), _WORKER, job)
        arguments = [*arguments, f"--rdzv-conf=is_host=true,join_timeout={JOIN_TIMEOUT}"]
    with tempfile.TemporaryDirectory(prefix="mixmas-") as folder, tempfile.TemporaryFile("w+") as report:
        errors = Path(folder) / "error.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *arguments, "-m", _WORKER, job],
            stdin=subprocess.PIPE,  # never written to: its end tells the workers that this process has ended
            stdout=subprocess.PIPE,
            stderr=report,
            text=True,
            errors="replace",
            env=os.environ | _environment(per_host) | {"TORCHELASTIC_ERROR_FILE": str(errors)},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        reader = threading.Thread(target=_show, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            code = process.wait()
        finally:
            process.stdin.close()
            process.kill()
            process.wait()
            reader.join(5.0)
        if code:
            report.seek(0)
            raise _failure(errors, report.read(), parameters)


def _environment(per_host: int) -> dict[str, str]:
    return {
        STARTED_BY_RUN: "1",
        # Where this package was found; it need not be installed.
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]).strip(":"),
        "OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // per_host)),
        # torch warns that no parameter is unused (see fit._data_parallel); errors are exceptions.
        "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
    }


def _show(output: IO[str]) -> None:
    """Handle the workers' log records as if they had been logged here; log what else the workers print.

    Workers share the pipe, so lines longer than its atomic writes may be mixed. Such a record is logged as it is: if
    nothing read the pipe any more, it would fill up, and the workers would wait for ever.
    """
    for line in output:
        printed, _, record = line.rstrip().partition(RECORD)
        if printed:
            _log.info("training process: %s", printed, extra=LITERAL)
        if record:
            try:
                handle_record(pickle.loads(b64decode(record)))
            except Exception as error:
                _log.warning(
                    "A log record of a training process cannot be read (%s): %.200s", error, record, extra=LITERAL
                )


def _failure(errors: Path, report: str, parameters: TrainingParameters) -> Exception:
    """The first error of a worker, from the file in which torchrun records it. A worker that was killed is only in the
    report that torchrun prints."""
    message = f"torchrun failed: {report}"
    if errors.exists():
        recorded = json.loads(errors.read_text())["message"]
        message = recorded if isinstance(recorded, str) else recorded["message"]
    elif killed := re.search(r"Root Cause.*?rank\s*: (\d+).*?traceback : ([^\n]*)", report, re.DOTALL):
        message = f"process {killed[1]} failed: {killed[2]}"
    kind, _, text = message.partition(": ")
    if kind == FloatingPointError.__name__:
        return FloatingPointError(text)
    if kind == "RendezvousConnectionError":
        return ValueError(
            f"training.address is {parameters.address!r}; expected a name of this host and a port that is free: {text}"
        )
    if kind == "RendezvousTimeoutError":
        return TimeoutError(
            f"expected {parameters.num_nodes} hosts at {parameters.address}; not all joined within {JOIN_TIMEOUT} "
            "seconds; see docs/running.md, Several hosts"
        )
    return RuntimeError(f"{message}. The next run resumes from the last checkpoint")


@contextmanager
def _files(tables: dict[str, MultimodalTable], checkpoints: AnyPath, everywhere: bool) -> Iterator[dict[str, str]]:
    """A file per table. A table without one, such as a sample, is written beside the checkpoints for the time being. So
    is this machine's copy of a table in an object store if the file is needed ``everywhere``."""
    folder = checkpoints / "tables"
    files = {}
    try:
        for name, table in tables.items():
            file = None if everywhere and is_remote(checkpoints) else table.file
            files[name] = file or str((folder / f"{name}.arrow").absolute())
            if file is None:
                write_atomically(as_path(files[name]), partial(write_table, table))
        yield files
    finally:
        remove(folder)
