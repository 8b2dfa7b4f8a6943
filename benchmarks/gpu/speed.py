"""Speed on a GPU: what ``benchmarks/run.py`` does not measure. Each case prints its result as JSON.

    python benchmarks/gpu/speed.py step --device=cuda --block=ramlp
    python benchmarks/gpu/speed.py search --device=cuda --project=build/gpu/work/prepared/project --at-once=4

``kit.py speed`` runs all of them, beside the cases of ``benchmarks/run.py``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import run as benchmark  # noqa: E402
from worth import choice  # noqa: E402

# Real AV-MNIST in a size to try the commands with; the search's candidates become as small.
TINY_DATA = ("avmnist.pairing.train_size=400", "avmnist.pairing.validation_size=60")
TINY_SEARCH = (
    *("avmnist.search.sample.margin=0.08", "avmnist.search.sample.holdout_margin=0.1"),
    *("avmnist.search.budget.steps=6", "avmnist.search.budget.extended_steps=8"),
    *(f"avmnist.search.encoders.{name}.{size}" for name in ("image", "audio") for size in ("hidden_dim=16", "depth=1")),
    "avmnist.search.fusion_network.depth=1",
)


def data_parameters(tiny: bool) -> tuple[str, ...]:
    """What differs from ``conf/paper`` when the data is prepared; later runs need the same."""
    return TINY_DATA if tiny else ()


def prepare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Prepare real AV-MNIST, all 70,000 pairs, in the project folder. Finished nodes are not run again."""
    start = time.perf_counter()
    project = benchmark.make_project(arguments.project.parent, *data_parameters(arguments.tiny), env="paper")
    tables = sorted(project.glob("data/paper/05_model_input/avmnist/*.arrow/*/*.arrow"))
    size = sum(path.stat().st_size for path in tables) / 1e9
    return {"seconds": time.perf_counter() - start, "tables_gb": size, "tables": len(tables)}


def copy_project(project: Path, copy: Path) -> None:
    """Copy a project folder. Tables, which are never changed in place, are links."""

    def place(source: str, target: str) -> None:
        if source.endswith(".arrow"):
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    shutil.copytree(project, copy, copy_function=place)


# --- a training step: as it is, compiled, captured --------------------------------------------------------------------
def step(arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of a training step in bfloat16 (64 examples, on the device): as it is, with ``torch.compile`` if
    asked for, and captured as a CUDA graph. What cannot be done says why."""
    table = benchmark.random_table(64, audio=arguments.block == "m2_mixer")
    if arguments.tiny:
        architecture = benchmark.small_candidate()
    else:
        architecture = benchmark.m2_mixer() if arguments.block == "m2_mixer" else benchmark.candidate(arguments.block)
    count = 3 if arguments.tiny else 200
    result: dict[str, Any] = {"milliseconds": _step_time(_training_step(architecture, table, arguments.device), count)}
    if arguments.compile:
        result |= _compiled(architecture, table, arguments.device, count)
    if arguments.device != "cuda":
        return result | {"graph_error": "CUDA graphs need a GPU"}
    try:
        captured = _captured(_training_step(architecture, table, arguments.device))
        result["graph_milliseconds"] = _step_time(captured, count)
    except Exception as error:
        result["graph_error"] = f"{type(error).__name__}: {error}"[:300]
    return result


def _compiled(architecture: Any, table: Any, device: str, count: int) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        take_step = _training_step(architecture, table, device, compiled=True)
        take_step()
        seconds = time.perf_counter() - start
        return {"compile_seconds": seconds, "compiled_milliseconds": _step_time(take_step, count)}
    except Exception as error:  # a finding: it does not pay where it does not work
        return {"compile_error": f"{type(error).__name__}: {error}"[:300]}


def _training_step(architecture: Any, table: Any, device: str, compiled: bool = False) -> Callable[[], None]:
    import torch

    from mixmas_pipeline.models.encoder import initialised
    from mixmas_pipeline.models.multimodal import MultimodalMixer
    from mixmas_pipeline.training.batches import to_tensors
    from mixmas_pipeline.training.loss import multi_head_loss
    from mixmas_pipeline.utils.devices import computing_in

    place = torch.device(device)
    held = to_tensors(table, place)
    model = initialised(MultimodalMixer, 0, architecture).to(place)
    call = torch.compile(model) if compiled else model
    on_gpu = {"fused": True, "capturable": True} if device == "cuda" else {}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, **on_gpu)

    def take_step() -> None:
        with computing_in("bfloat16", place):
            loss = multi_head_loss(call(held.inputs), held.labels, "multiclass", 0.5)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    return take_step


def _captured(take_step: Callable[[], None]) -> Callable[[], None]:
    """The step as a CUDA graph, after a few steps on a stream of its own, as torch asks for."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            take_step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        take_step()
    return graph.replay


def _step_time(take_step: Callable[[], None], count: int) -> float:
    """Milliseconds of a step, the best of three rounds, after a warm-up."""
    import torch

    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    for _ in range(3):
        take_step()
    rounds = []
    for _ in range(3):
        wait()
        start = time.perf_counter()
        for _ in range(count):
            take_step()
        wait()
        rounds.append((time.perf_counter() - start) / count)
    return 1000 * min(rounds)


# --- whole searches ---------------------------------------------------------------------------------------------------
def search(arguments: argparse.Namespace) -> dict[str, Any]:
    """A whole search at the published sizes, in a copy of the prepared project, ``--at-once`` candidates on one card.
    Returns its seconds and what it chose."""
    small = TINY_SEARCH if arguments.tiny else ()
    seconds = _search(arguments, arguments.copy, *small)
    return {"seconds": seconds, "at_once": arguments.at_once, "chosen": chosen(arguments.copy)}


def choice_twice(arguments: argparse.Namespace) -> dict[str, Any]:
    """Two short searches from the same seeds, in small sizes: do they choose the same?"""
    found = []
    for _ in range(2):
        _search(arguments, arguments.copy, *TINY_SEARCH)
        found.append(chosen(arguments.copy))
    differing = {name: f"{first}, {found[1][name]}" for name, first in found[0].items() if found[1][name] != first}
    return {"passed": not differing, "failed": differing, "summary": f"chosen: {', '.join(found[0].values())}"}


def _search(arguments: argparse.Namespace, project: Path, *parameters: str) -> float:
    shutil.rmtree(project, ignore_errors=True)  # a search that was cut off is not timed further
    copy_project(arguments.project, project)
    on_gpu, cores = arguments.device == "cuda", len(os.sched_getaffinity(0))
    given = [*data_parameters(arguments.tiny), *parameters]
    given += [f"compute.shares.trial.gpus={1 / arguments.at_once}"] if on_gpu else []
    given.append(f"avmnist.search.budget.precision={arguments.precision}")
    cores = cores if on_gpu else min(cores, arguments.at_once)
    found = benchmark.measure("search", project=project, cores=cores, env="paper", params=given)
    return float(found["seconds"])


def chosen(project: Path) -> dict[str, str]:
    """What the newest search of a project chose."""
    from mixmas_pipeline.models.architecture import Architecture

    path = max(project.glob("data/*/**/architecture.json/*/architecture.json"), key=lambda found: found.parent.name)
    return choice(Architecture.model_validate(json.loads(path.read_text())))


def search_plain(arguments: argparse.Namespace) -> dict[str, Any]:
    """The candidates of a search that ``search`` has run, in plain loops; one seed of each, times their number."""
    return benchmark.measure("search_plain", project=arguments.copy, device=arguments.device, plain_seeds=1)


CASES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    **{case.__name__: case for case in (prepare, step, search, search_plain)},
    "choice": choice_twice,
}


def main() -> None:
    """Run one case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes to try it with")
    parser.add_argument("--block", default="mlp_mixer", choices=[*benchmark.BLOCKS, "m2_mixer"])
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too, which takes long to start")
    parser.add_argument("--project", type=Path, help="a project folder in which AV-MNIST is prepared")
    parser.add_argument("--copy", type=Path, help="of the project, for a search")
    parser.add_argument("--at-once", type=int, default=1, help="candidates on the card at the same time")
    parser.add_argument("--precision", default="float32", help="of a search")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    sys.stdout.write(json.dumps(CASES[arguments.case](arguments)) + "\n")


if __name__ == "__main__":
    main()
