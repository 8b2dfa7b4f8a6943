"""How long a model takes to answer, in several forms, all measured in one go."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.export.conversion import Run, batches

THREADS = 1
CALLS, FEWEST_CALLS, WARM_UP = 100, 10, 5
_LONGEST = 20.0  # seconds a batch size, once every form has been called so often


def measure_latency(
    runs: Mapping[str, Run], model: MultimodalMixer, table: MultimodalTable, sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """Time from the stored values to the logits, of the table's first rows. The forms take turns, call by call, so that
    whatever else the machine does meets all of them. Torch computes with one thread meanwhile.

    Args:
        runs: form -> what runs it.
        sizes: numbers of examples in a call.

    Returns:
        One entry a form and size: "form", "examples", "median_ms", "p90_ms" (of a whole call), "calls".
    """
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        return [row for size in sizes for row in _measure(runs, model, table, size)]
    finally:
        torch.set_num_threads(before)


def _measure(
    runs: Mapping[str, Run], model: MultimodalMixer, table: MultimodalTable, size: int
) -> list[dict[str, Any]]:
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
    found = []
    for form, taken in seconds.items():
        median, p90 = np.quantile(1000 * np.array(taken[WARM_UP:]), [0.5, 0.9]).tolist()
        calls = len(taken) - WARM_UP
        found.append({"form": form, "examples": size, "median_ms": median, "p90_ms": p90, "calls": calls})
    return found


def eager(model: MultimodalMixer) -> Run:
    """The model itself."""
    return torch.inference_mode()(lambda inputs, present: model(inputs, present))


def machine() -> dict[str, Any]:
    """The CPU's name, its cores, and the system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.processor(), "cores": os.cpu_count(), "system": platform.system()}
