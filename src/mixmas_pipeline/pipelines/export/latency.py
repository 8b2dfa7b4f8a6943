"""Times of a model's forms, all measured together."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.ensemble import AnyModel
from mixmas_pipeline.pipelines.export.conversion import Run, batches
from mixmas_pipeline.pipelines.export.results import Latency, Machine

THREADS = 1
CALLS, FEWEST_CALLS, WARM_UP = 100, 10, 5
_LONGEST = 20.0  # seconds per batch size, beyond which only the fewest calls are made


def measure_latency(
    runs: Mapping[str, Run], model: AnyModel, table: MultimodalTable, sizes: Sequence[int]
) -> tuple[Latency, ...]:
    """Time from the stored values to the logits, for the table's first rows. The forms take turns, call by call, so
    that other programs slow all of them alike. Torch uses one thread.

    Args:
        runs: form -> function that runs it.
        model: the model itself, for the inputs' types.
        table: rows to run on.
        sizes: numbers of examples per batch.

    Returns:
        One entry per size and form.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        return tuple(row for size in sizes for row in _measure(runs, model, table, size))
    finally:
        torch.set_num_threads(before)


def _measure(runs: Mapping[str, Run], model: AnyModel, table: MultimodalTable, size: int) -> list[Latency]:
    inputs, present = next(batches(table, model, size))
    seconds: dict[str, list[float]] = {form: [] for form in runs}
    started = time.perf_counter()
    for call in range(WARM_UP + CALLS):
        if call >= WARM_UP + FEWEST_CALLS and time.perf_counter() - started > _LONGEST:
            break
        for form, run in runs.items():
            start = time.perf_counter()
            run(inputs, present)
            seconds[form].append(time.perf_counter() - start)
    latencies = []
    for form, taken in seconds.items():
        median, p90 = np.quantile(1000 * np.array(taken[WARM_UP:]), [0.5, 0.9]).tolist()
        calls = len(taken) - WARM_UP
        latencies.append(Latency(form=form, examples=size, median_ms=median, p90_ms=p90, calls=calls))
    return latencies


def eager(model: AnyModel) -> Run:
    """The model itself."""
    return torch.inference_mode()(lambda inputs, present: model(inputs, present))


def machine() -> Machine:
    """This machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(cpu=names[0] if names else platform.processor(), cores=os.cpu_count(), system=platform.system())
