"""Measure data preparation and the search's unit, each against a plain reference in the same run.

    python benchmarks/run.py                      both, on the embedded demo's sources
    python benchmarks/run.py preparation --pairs 70000
    python benchmarks/run.py search --steps 60

Every case runs in a process of its own, so that its peak memory is its own. Times depend on the machine and on what
else it does: only the ratios of one run are to be compared. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

Case = Callable[[argparse.Namespace], dict[str, float]]


# --- data preparation -------------------------------------------------------------------------------------------
def _prepared(arguments: argparse.Namespace) -> tuple[Any, ...]:
    """Sources of the demo, repeated to the asked number of pairs; not part of what is timed."""
    from mixmas_pipeline.datasets.clips import DemoNoiseDataset, DemoSpeechDataset
    from mixmas_pipeline.datasets.digits import DemoDigitsDataset
    from mixmas_pipeline.pipelines.avmnist import nodes
    from mixmas_pipeline.pipelines.avmnist.parameters import PairingParameters, SoundParameters

    sound = SoundParameters(snr_db=(-10, 2), onset="start")
    pairing = PairingParameters.model_validate(
        {
            "seed": 0,
            "validation_size": 500,
            "speech": {"by": "speaker", "validation": 0.15, "test": 0.25},
            "noise_folds": {"train": ["1", "2", "3"], "validation": ["4"], "test": ["5"]},
        }
    )
    images, labels, test = (
        DemoDigitsDataset(part=part, content=content).load()
        for part, content in (("train", "images"), ("train", "labels"), ("test", "labels"))
    )
    repeats = -(-arguments.pairs // len(images)) + 1
    images, labels = np.tile(images, (repeats, 1, 1)), np.tile(labels, repeats)
    speech = nodes.resample_clips(DemoSpeechDataset().load(), sound)
    noise = nodes.resample_clips(DemoNoiseDataset().load(), sound)
    pairs, _, _ = nodes.pair_digits(labels, test, speech, noise, pairing, sound)
    return images, pairs.iloc[: arguments.pairs], speech, noise, sound


def preparation(arguments: argparse.Namespace) -> dict[str, float]:
    """Energy basis, reduction, contamination, spectrograms, and saving: the project's nodes."""
    import tempfile
    from pathlib import Path

    from mixmas_pipeline.datasets.table import TableDataset
    from mixmas_pipeline.pipelines.avmnist import nodes
    from mixmas_pipeline.pipelines.avmnist.parameters import PictureParameters

    images, pairs, speech, noise, sound = _prepared(arguments)
    start = time.perf_counter()
    basis = nodes.fit_energy_basis(images, pairs, PictureParameters())
    reduced = nodes.reduce_images(images, images[:1], basis)
    table = nodes.build_table(pairs, reduced, speech, noise, sound, "benchmark")
    with tempfile.TemporaryDirectory() as folder:
        TableDataset(filepath=str(Path(folder) / "table.arrow")).save(table)
    return {"seconds": time.perf_counter() - start, "units": len(pairs)}


def preparation_plain(arguments: argparse.Namespace) -> dict[str, float]:
    """The same numbers by a plain script: one example at a time, float32 kept in lists, one numpy file at the end."""
    import tempfile
    from pathlib import Path

    import torch

    images, pairs, speech, noise, _ = _prepared(arguments)
    start = time.perf_counter()
    pixels = images[pairs["picture"]].reshape(len(pairs), -1).astype(np.float64)
    mean = pixels.mean(axis=0)
    _, singular, rows = np.linalg.svd(pixels - mean, full_matrices=False)
    kept = int(np.searchsorted(np.cumsum(singular**2 / (singular**2).sum()), 0.25) + 1)
    reduced = (pixels - mean) @ rows[:kept].T @ rows[:kept] + mean
    samples, window = 8000, torch.hann_window(222)
    spectrograms = []
    for pair in pairs.itertuples():
        clip = speech["waveform"][pair.recording][:samples].astype(np.float32)
        sound_of = noise["waveform"][pair.noise].astype(np.float32)
        begin = int(pair.noise_start * (len(sound_of) - samples + 1))
        excerpt = sound_of[begin : begin + samples]
        gain = np.sqrt(np.mean(clip**2) / (np.mean(excerpt**2) + 1e-6) / 10 ** (pair.snr_db / 10))
        mixed = excerpt * gain
        mixed[: len(clip)] += clip
        magnitude = torch.stft(torch.from_numpy(mixed), 222, 72, window=window, return_complex=True).abs()
        spectrograms.append(20 * (magnitude / magnitude.max()).clamp_min(1e-4).log10())
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "table.npz", images=reduced, audio=torch.stack(spectrograms).numpy())
    return {"seconds": time.perf_counter() - start, "units": len(pairs)}


# --- search -----------------------------------------------------------------------------------------------------
def _candidate(block: str) -> Any:
    from mixmas_pipeline.mixers.architecture import Architecture

    width = {"monarch_mixer": 12288}.get(block, 3072)
    encoder = {
        "tokeniser": {"type": "patches", "patch": 14},
        "hidden_dim": 128,
        "depth": 4,
        "block": {"block": block, "channel_dim": width},
    }
    return Architecture.model_validate(
        {
            "task": "multiclass",
            "classes": list("0123456789"),
            "inputs": {"image": {"shape": (28, 28), "mean": 128, "std": 64}},
            "encoders": {"image": encoder},
        }
    )


def _table(rows: int) -> Any:
    from mixmas_pipeline.datasets.table import Modality, MultimodalTable, TableSchema

    rng = np.random.default_rng(0)
    schema = TableSchema({"image": Modality("image", (28, 28), "uint8")}, "multiclass", tuple("0123456789"))
    images = rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
    return MultimodalTable(schema, {"image": images}, np.arange(rows) % 10, [str(i) for i in range(rows)])


def search(arguments: argparse.Namespace) -> dict[str, float]:
    """One trial of an image candidate of the paper's size: batch 64, trained and scored."""
    from mixmas_pipeline.learning.microbenchmark import run_trial
    from mixmas_pipeline.learning.parameters import BudgetParameters
    from mixmas_pipeline.mixers.cost import cost

    budget = BudgetParameters(
        steps=arguments.steps, extended_steps=arguments.steps, seeds=(0, 1), learning_rate=1e-3, device="cpu"
    )
    architecture, sample, holdout = _candidate(arguments.block), _table(1000), _table(1000)
    start = time.perf_counter()
    run_trial(architecture, sample, holdout, budget, arguments.steps, 0, "accuracy", "benchmark")
    seconds = time.perf_counter() - start
    work = cost(architecture).flops * (3 * 64 * arguments.steps + len(holdout))
    return {"seconds": seconds, "units": arguments.steps, "gflops": work / seconds / 1e9}


def search_plain(arguments: argparse.Namespace) -> dict[str, float]:
    """The same model in a plain loop: DataLoader that collates examples one by one, AdamW that loops over tensors."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from mixmas_pipeline.mixers.cost import cost
    from mixmas_pipeline.mixers.encoder import initialised
    from mixmas_pipeline.mixers.model import FUSED, MultimodalMixer

    architecture, sample, holdout = _candidate(arguments.block), _table(1000), _table(1000)
    start = time.perf_counter()
    model = initialised(MultimodalMixer, 0, architecture)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=False)

    def loader(table: Any, shuffle: bool) -> DataLoader:
        return DataLoader(
            TensorDataset(torch.from_numpy(table.arrays["image"]), torch.from_numpy(table.labels)), 64, shuffle
        )

    step = 0
    while step < arguments.steps:
        for images, labels in loader(sample, True):
            loss = torch.nn.functional.cross_entropy(model({"image": images})[FUSED], labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()
            step += 1
            if step == arguments.steps:
                break
    with torch.no_grad():
        for images, _ in loader(holdout, False):
            model({"image": images})
    seconds = time.perf_counter() - start
    work = cost(architecture).flops * (3 * 64 * arguments.steps + len(holdout))
    return {"seconds": seconds, "units": arguments.steps, "gflops": work / seconds / 1e9}


def peak(arguments: argparse.Namespace) -> dict[str, float]:
    """The machine's fp32 matrix products, at the size of the channel-mixing MLP's."""
    import torch

    a, b = torch.randn(1024, 1024), torch.randn(1024, 3072)
    torch.mm(a, b)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < 2:
        torch.mm(a, b)
        count += 1
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "units": count, "gflops": 2 * 1024 * 1024 * 3072 * count / seconds / 1e9}


CASES: dict[str, Case] = {case.__name__: case for case in (preparation, preparation_plain, search, search_plain, peak)}
BLOCKS = ("mlp_mixer", "hyper_mixer", "ramlp", "monarch_mixer")


def _measure(case: str, **options: Any) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", case, *(f"--{key}={value}" for key, value in options.items())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["all", "preparation", "search"], default="all")
    parser.add_argument("--pairs", type=int, default=10_000, help="examples to prepare")
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps a trial")
    parser.add_argument("--block", default="mlp_mixer", help=argparse.SUPPRESS)
    parser.add_argument("--case", choices=sorted(CASES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        logging.disable()
        result = CASES[arguments.case](arguments)
        result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        sys.stdout.write(json.dumps(result) + "\n")
        return
    console = Console()
    if arguments.what in ("all", "preparation"):
        table = Table(title=f"preparation of {arguments.pairs:,} pairs", title_justify="left")
        for column in ("", "seconds", "pairs/s", "peak GB", "times as fast"):
            table.add_column(column, justify="right")
        plain = _measure("preparation_plain", pairs=arguments.pairs)
        for name, case in (("plain script", plain), ("nodes", _measure("preparation", pairs=arguments.pairs))):
            rate = f"{case['units'] / case['seconds']:,.0f}"
            ratio = f"{plain['seconds'] / case['seconds']:.2f}"
            table.add_row(name, f"{case['seconds']:.1f}", rate, f"{case['peak_gb']:.2f}", ratio)
        console.print(table)
    if arguments.what in ("all", "search"):
        best = _measure("peak")["gflops"]
        title = f"trial of {arguments.steps} steps, image encoder of the paper's size (matrix peak {best:.0f} GFLOP/s)"
        table = Table(title=title, title_justify="left")
        for column in ("block", "plain s", "trial s", "times as fast", "GFLOP/s", "of peak", "peak GB"):
            table.add_column(column, justify="right")
        for block in BLOCKS:
            plain = _measure("search_plain", block=block, steps=arguments.steps)
            trial = _measure("search", block=block, steps=arguments.steps)
            table.add_row(
                block,
                f"{plain['seconds']:.1f}",
                f"{trial['seconds']:.1f}",
                f"{plain['seconds'] / trial['seconds']:.2f}",
                f"{trial['gflops']:.0f}",
                f"{trial['gflops'] / best:.0%}",
                f"{trial['peak_gb']:.2f}",
            )
        console.print(table)


if __name__ == "__main__":
    main()
