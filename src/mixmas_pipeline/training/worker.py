"""One process of a training that torchrun has started: ``torchrun ... -m mixmas_pipeline.training.worker job.json``."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
import threading
import traceback
from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytorch_lightning
import torch
import torch.distributed
from pydantic import BaseModel, Field
from torch.distributed.elastic.multiprocessing.errors import record

from mixmas_pipeline.data.arrow import read_table
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.storage.atomic import is_complete
from mixmas_pipeline.storage.cache import local_copy
from mixmas_pipeline.storage.paths import as_path, read_bytes
from mixmas_pipeline.training import fit
from mixmas_pipeline.training.identity import training_code
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.progress import LOGGER
from mixmas_pipeline.utils.remote_logs import SendingHandler, send_all_records

STARTED_BY_RUN = "MIXMAS_STARTED_BY_RUN"  # environment variable; set on the run's host only
RECORD = "\x1erecord "  # before a log record on standard output


class Job(BaseModel, frozen=True):
    """A training.

    Attributes:
        tables: "train" and "validation" -> file.
        checkpoints: path or URL of the folder.
        levels: of the run's loggers, by name.
        id: differs between any two jobs.
    """

    architecture: Architecture
    parameters: TrainingParameters
    tables: dict[str, str]
    checkpoints: str
    levels: dict[str, int]
    id: str = Field(default_factory=lambda: uuid4().hex)


@record
def main(file: str) -> None:
    """Take part in a job.

    Raises:
        RuntimeError: the hosts differ in their code, see other files, or read different jobs.
        FloatingPointError: the training loss is NaN or infinite.
    """
    job = Job.model_validate_json(read_bytes(as_path(file)))
    _belong_to_run(job)
    torch.distributed.init_process_group()
    _check_all_agree(job)
    tables = {name: read_table(local_copy(as_path(table))) for name, table in job.tables.items()}
    checkpoints = as_path(job.checkpoints)
    fit.fit(job.architecture, tables["train"], tables["validation"], job.parameters, checkpoints, distributed=True)
    torch.distributed.destroy_process_group()


def _belong_to_run(job: Job) -> None:
    """On the run's host, send log records to the process that started the training, and end when it ends. All workers
    log the same, so only the first one sends INFO records. On other hosts warnings go to standard error."""
    if STARTED_BY_RUN not in os.environ:
        logging.basicConfig(level=logging.WARNING)
        return
    os.dup2(1, 2)  # standard error is for torchrun's report
    threading.Thread(target=_end_with_run, daemon=True).start()
    quiet = {} if os.environ["LOCAL_RANK"] == "0" else dict.fromkeys(("mixmas_pipeline", LOGGER), logging.WARNING)
    send_all_records(SendingHandler(_send), {**job.levels, **quiet})


def _send(log_record: logging.LogRecord) -> None:
    os.write(1, f"{RECORD}{b64encode(pickle.dumps(log_record)).decode()}\n".encode())


def _end_with_run() -> None:
    os.read(0, 1)  # nothing is ever written: returns when the other end is closed
    os._exit(1)


def _check_all_agree(job: Job) -> None:
    """Compare what the workers see. A worker that trained on something else would spoil the result without an error."""
    files = [*job.tables.values(), str(as_path(job.checkpoints) / fit.LAST)]
    seen = {
        "job": job.id,
        "the code of mixmas_pipeline": training_code(job.architecture.model_dump(mode="json"), "training.worker:main"),
        "the version of torch": torch.__version__,
        "the version of pytorch_lightning": pytorch_lightning.__version__,
    }
    seen |= {file: "present" if is_complete(as_path(file)) else "missing" for file in files}
    everyone: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, (socket.gethostname(), seen))
    for what in seen:
        if len({each[what] for _, each in everyone}) > 1:
            values = ", ".join(f"process {rank} on {host}: {each[what]}" for rank, (host, each) in enumerate(everyone))
            raise RuntimeError(
                f"the hosts of a training differ in {what}: {values}. All hosts need the same code, the same libraries "
                "and the data root under the same path"
            )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException as error:
        if not isinstance(error, FloatingPointError):  # whose message says all
            os.write(2, f"process {os.environ['RANK']}: {traceback.format_exc()}".encode())
        os._exit(1)  # a normal exit would wait for the other processes
