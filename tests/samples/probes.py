"""Nodes that say what they see where they run, or go wrong on purpose; and pipelines of them."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atomic_samples import JSONFile
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.pipeline import Node, Pipeline
from kedro.runner import AbstractRunner

from mixmas_pipeline.runners.reusing import ReusingRunner
from mixmas_pipeline.utils.progress import CandidateScored, PartStarted, Progress, report

_number = itertools.count()
_log = logging.getLogger("mixmas_pipeline.probes")


def look(name: str) -> dict[str, Any]:
    """What the node sees."""
    import torch
    from threadpoolctl import threadpool_info

    _log.info("looking for %s", name)
    return {
        "name": name,
        "process": os.getpid(),
        "torch": torch.get_num_threads(),
        "blas": [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"],
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def look_for_gpus(name: str) -> dict[str, Any]:
    """What the node sees, without torch."""
    time.sleep(0.5)
    return {"process": os.getpid(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}


def stay(seconds: float) -> dict[str, Any]:
    """When it has begun and ended, and where."""
    start = time.time()
    time.sleep(seconds)
    return {"start": start, "end": time.time(), "process": os.getpid()}


def stay_after(_: Any, seconds: float) -> dict[str, Any]:
    """``stay`` with an input to wait for."""
    return stay(seconds)


def train(how: str) -> str:
    """Tells of two trainings of twenty steps, scores them, prints something, and fails or waits if it is to."""
    for number in (1, 2):
        report(PartStarted("seed", number, 2))
        with Progress(20, how, describe=lambda done: f"step {done} of 20") as progress:
            for _ in range(20):
                time.sleep(0.06)
                progress.advance()
        report(CandidateScored(how, str(number), "accuracy", number / 4))
        print(f"{how} has printed")  # noqa: T201
    if how == "fails":
        raise LookupError("no such thing")
    if how == "waits":
        time.sleep(100)
    return how


def compute(seed: int) -> list[float]:
    """Numbers whose last bits would show another way of adding them up."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(700, 700, generator=generator) for _ in range(2))
    return [(a @ b).sum().item(), torch.randn(3_000_001, generator=generator).sum().item()]


def die_once(marker: str) -> str:
    """Is killed the first time."""
    if not Path(marker).exists():
        Path(marker).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die(marker: str) -> str:
    """Is killed every time."""
    with Path(marker).open("a") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def wait_to_be_lost(marker: str) -> str:
    """Waits, the first time, until the machine that it runs on is gone; leaves the machine's name."""
    import ray

    if not Path(marker).exists():
        Path(f"{marker}.partial").write_text(ray.get_runtime_context().get_node_id())
        Path(f"{marker}.partial").rename(marker)
        time.sleep(300)
    return "alive"


class Unusual(Exception):
    """An error that pickle alone could not bring back: its arguments are not those of its constructor."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} is not {second}")


def fail(kind: str) -> None:
    """Raises."""
    time.sleep(0.5)  # so that the node beside it has begun
    if kind == "unusual":
        raise Unusual(1, 2)
    raise LookupError("no such thing")


def write_on(folder: str) -> None:
    """Writes its process id as a file name, and goes on writing. Removes its unfinished file when it is stopped."""
    unfinished = Path(folder, f"{os.getpid()}.unfinished")
    try:
        unfinished.touch()
        with Path(folder, f"{os.getpid()}.pid").open("w") as file:
            while True:
                file.write("x")
                file.flush()
                time.sleep(0.02)
    finally:
        unfinished.unlink()


def say(word: str) -> str:
    """Logs, prints, and lets another program print."""
    print(f"{word} is printed")  # noqa: T201
    subprocess.run(["echo", f"{word} is printed by a program"], check=True)
    time.sleep(0.5)
    _log.info("%s is logged", word)
    return word


def both(marker: str) -> tuple[str, str]:
    """Two outputs."""
    return "first", marker


class KillsAtFirstSave(JSONFile):
    """A data set whose first save kills the process that saves."""

    def save(self, data: str) -> None:
        die_once(data)
        super().save(data)


def in_memory(**_: Any) -> MemoryDataset:
    """A data set that is not kept."""
    return MemoryDataset()


def same(value: Any) -> Any:
    """Its input."""
    return value


def pipeline(function: Any, arguments: dict[str, Any], tags: str = "trial") -> tuple[Pipeline, dict[str, Any]]:
    """One node an argument, with the outputs "<name>"; and the inputs' values."""
    nodes = [Node(function, f"params:{name}", name, name=f"run_{name}", tags=tags or None) for name in arguments]
    return Pipeline(nodes), {f"params:{name}": value for name, value in arguments.items()}


def run(
    folder: Path,
    graph: Pipeline,
    values: dict[str, Any],
    runner: AbstractRunner | None = None,
    outputs: dict[str, Callable[..., Any]] | None = None,
    **section: Any,
) -> dict[str, Any]:
    """Run a pipeline whose outputs are kept in a folder; with the section ``compute``.

    Args:
        outputs: classes of other data sets than JSON files.

    Returns:
        The outputs that are kept, by name.
    """
    version = f"2026-01-01T00.00.{next(_number):02d}.000Z"
    parameters = {**values, "params:reuse": True, "params:compute": section}
    kept = {
        name: (outputs or {}).get(name, JSONFile)(filepath=str(folder / name), version=Version(None, version))
        for name in graph.all_outputs()
    }
    catalog = DataCatalog({**{name: MemoryDataset(value) for name, value in parameters.items()}, **kept})
    (runner or ReusingRunner()).run(graph, catalog, _create_hook_manager(), run_id=version)
    return {name: catalog.load(name) for name in sorted(kept) if not kept[name]._EPHEMERAL}
