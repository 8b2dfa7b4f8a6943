"""Measure data preparation, whole searches, the blocks and a training epoch, each against a plain reference.

    python benchmarks/run.py                        all of it
    python benchmarks/run.py preparation --pairs 70000
    python benchmarks/run.py blocks --steps 160     1,000 examples, 10 epochs: a candidate of the published size
    python benchmarks/run.py search epoch

Every case runs in a process of its own, so that its peak memory is its own. Times depend on the machine and on what
else it does: only the ratios of one run are to be compared. Nothing here is a test. Whether cheaper searches
choose alike is measured by ``benchmarks/agreement.py``. ``benchmarks/gpu`` runs these cases on a GPU, and more.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

Case = Callable[[argparse.Namespace], dict[str, Any]]


# --- data preparation -------------------------------------------------------------------------------------------
def _prepared(arguments: argparse.Namespace) -> tuple[Any, ...]:
    """Sources of the demo, repeated to the asked number of pairs; not part of what is timed."""
    from mixmas_pipeline.pipelines.data.avmnist import nodes
    from mixmas_pipeline.pipelines.data.avmnist.clips import DemoNoiseDataset, DemoSpeechDataset
    from mixmas_pipeline.pipelines.data.avmnist.digits import DemoDigitsDataset
    from mixmas_pipeline.pipelines.data.avmnist.parameters import PairingParameters, SoundParameters

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
    return images, pairs.iloc[: arguments.pairs], speech, noise, sound, pairing


def preparation(arguments: argparse.Namespace) -> dict[str, float]:
    """Energy basis, reduction, contamination, spectrograms, and saving: the project's nodes."""
    from mixmas_pipeline.datasets.table import TableDataset
    from mixmas_pipeline.pipelines.data.avmnist import nodes
    from mixmas_pipeline.pipelines.data.avmnist.parameters import PictureParameters

    images, pairs, speech, noise, sound, pairing = _prepared(arguments)
    start = time.perf_counter()
    basis = nodes.fit_energy_basis(images, pairs, PictureParameters())
    reduced = nodes.reduce_images(images, images[:1], basis)
    table = nodes.build_table(pairs, reduced, speech, noise, sound, pairing, "benchmark")
    with tempfile.TemporaryDirectory() as folder:
        TableDataset(filepath=str(Path(folder) / "table.arrow")).save(table)
    return {"seconds": time.perf_counter() - start, "units": len(pairs)}


def preparation_plain(arguments: argparse.Namespace) -> dict[str, float]:
    """The same numbers by a plain script: one example at a time, float32 kept in lists, one numpy file at the end."""
    import torch

    images, pairs, speech, noise, _, _ = _prepared(arguments)
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


# --- blocks: a candidate of the published size ---------------------------------------------------------------------
BLOCKS = ("mlp_mixer", "hyper_mixer", "ramlp", "monarch_mixer")
CLASSES = list("0123456789")
IMAGE = {"image": {"shape": (28, 28), "mean": 128, "std": 64}}
# Operators -> what they are for.
KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "baddbmm"),
    "convolutions": ("convolution", "convolution_backward", "mkldnn_convolution"),
    "activations": ("gelu", "gelu_backward", "relu", "threshold_backward"),
    "norms": ("native_layer_norm", "native_layer_norm_backward"),
    "copies": ("copy_", "cat", "clone", "constant_pad_nd"),
    "optimiser": ("_fused_adamw_", "linalg_vector_norm", "_foreach_norm"),
    "random numbers": ("bernoulli_", "native_dropout"),
}


def candidate(block: str, dropout: float = 0.0) -> Any:
    """An image encoder of the published size, with its head: an ``Architecture``."""
    from mixmas_pipeline.models.architecture import Architecture

    width = {"monarch_mixer": 12288}.get(block, 3072)
    encoder = {
        "tokeniser": {"type": "patches", "patch": 14},
        "hidden_dim": 128,
        "depth": 4,
        "block": {"block": block, "channel_dim": width, "dropout": dropout},
    }
    return Architecture.model_validate(
        {"task": "multiclass", "classes": CLASSES, "inputs": IMAGE, "encoders": {"image": encoder}}
    )


def random_table(rows: int, audio: bool = False) -> Any:
    """Random pictures, and spectrograms if asked for, in the shapes of AV-MNIST: a ``MultimodalTable``."""
    from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema

    rng = np.random.default_rng(0)
    shapes = {"image": (28, 28), **({"audio": (112, 112)} if audio else {})}
    schema = TableSchema({n: Modality("image", s, "uint8") for n, s in shapes.items()}, "multiclass", tuple(CLASSES))
    arrays = {name: rng.integers(0, 256, (rows, *shape), dtype=np.uint8) for name, shape in shapes.items()}
    return MultimodalTable(schema, arrays, np.arange(rows) % 10, [str(i) for i in range(rows)])


def _budget(arguments: argparse.Namespace, **changed: Any) -> Any:
    from mixmas_pipeline.training.parameters import BudgetParameters

    steps = {"steps": arguments.steps, "extended_steps": arguments.steps, "seeds": (0, 1, 2)}
    return BudgetParameters.model_validate({**steps, "learning_rate": 1e-3, "device": arguments.device, **changed})


def _work(architecture: Any, examples: int, scored: int = 0) -> float:
    """GFLOP of training on so many examples (forward and backward: three forward passes) and of scoring others."""
    from mixmas_pipeline.models.cost import cost

    return cost(architecture).flops * (3 * examples + scored) / 1e9


def trial(arguments: argparse.Namespace) -> dict[str, Any]:
    """One trial of an image candidate, trained and scored once at its end."""
    from mixmas_pipeline.training.trial import run_trial

    architecture = candidate(arguments.block, arguments.dropout)
    sample, holdout = random_table(1000), random_table(1000)
    budget = _budget(arguments, precision=arguments.precision)
    if arguments.device == "cuda":  # the first kernels are loaded
        run_trial(architecture, sample, holdout, budget, 3, 0, "accuracy", "")
    start = time.perf_counter()
    run_trial(architecture, sample, holdout, budget, arguments.steps, 0, "accuracy", "")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "gflops": _work(architecture, 64 * arguments.steps, 1000) / seconds}


def trial_plain(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same model in a plain loop: DataLoader that collates examples one by one, AdamW that loops over tensors."""
    architecture = candidate(arguments.block, arguments.dropout)
    sample, holdout = random_table(1000), random_table(1000)
    _warm_up_plain(arguments, architecture, sample)
    start = time.perf_counter()
    model = _plain_training(architecture, sample, arguments.steps, arguments.device)
    _plain_scoring(model, holdout, arguments.device)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "gflops": _work(architecture, 64 * arguments.steps, 1000) / seconds}


def trial_published(arguments: argparse.Namespace) -> dict[str, Any]:
    """The plain loop as published code evaluates: 5,000 other examples after every epoch of 16 steps."""
    architecture, sample, holdout = candidate(arguments.block), random_table(1000), random_table(5000)
    _warm_up_plain(arguments, architecture, sample)
    start = time.perf_counter()
    _plain_training(architecture, sample, arguments.steps, arguments.device, every=16, scored=holdout)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "gflops": _work(architecture, 64 * arguments.steps) / seconds}


def _loader(table: Any, shuffle: bool) -> Any:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    tensors = [torch.from_numpy(array) for array in table.arrays.values()]
    return DataLoader(TensorDataset(*tensors, torch.from_numpy(table.labels)), 64, shuffle)


def _warm_up_plain(arguments: argparse.Namespace, architecture: Any, table: Any) -> None:
    """On a GPU, load the kernels, which is not part of what is timed."""
    if arguments.device == "cuda":
        _plain_scoring(_plain_training(architecture, table, 3, arguments.device), table, arguments.device)


def _plain_training(
    architecture: Any, table: Any, steps: int, device: str = "cpu", every: int = 0, scored: Any = None
) -> Any:
    import torch

    from mixmas_pipeline.models.encoder import initialised
    from mixmas_pipeline.models.multimodal import MultimodalMixer
    from mixmas_pipeline.training.loss import multi_head_loss

    model = initialised(MultimodalMixer, 0, architecture).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=False)
    step = 0
    while step < steps:
        for *inputs, labels in _loader(table, True):
            logits = model({name: tensor.to(device) for name, tensor in zip(table.arrays, inputs, strict=True)})
            loss = multi_head_loss(logits, labels.to(device), "multiclass", 1 / (1 + len(inputs)))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()
            step += 1
            if every and step % every == 0:
                _plain_scoring(model, scored, device)
            if step == steps:
                break
    return model


def _plain_scoring(model: Any, table: Any, device: str) -> None:
    import torch

    from mixmas_pipeline.models.multimodal import FUSED

    with torch.no_grad():
        for *inputs, _ in _loader(table, False):
            model({name: tensor.to(device) for name, tensor in zip(table.arrays, inputs, strict=True)})[FUSED].cpu()


def profile(arguments: argparse.Namespace) -> dict[str, Any]:
    """Where a training step's time goes: shares of ``KINDS``; "the rest" is other operators and Python. On a GPU the
    shares are of its kernels' time in the wall-clock time, and "idle" is the share in which no kernel runs."""
    import torch
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as recording

    from mixmas_pipeline.training.trial import run_trial

    architecture, table = candidate(arguments.block, arguments.dropout), random_table(1000)
    one = table.take(np.arange(1))

    def run(steps: int) -> None:
        budget = _budget(arguments, precision=arguments.precision)
        run_trial(architecture, table, one, budget, steps, 0, "accuracy", "")

    gpu = arguments.device == "cuda"
    run(3)
    torch.set_num_threads(1)  # otherwise the profiler's own cost is counted to small operators
    with recording(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]) as found:
        start = time.perf_counter()
        run(200 if gpu else 20)
        whole = time.perf_counter() - start
    events = [event for event in found.key_averages() if not gpu or event.key.startswith("aten::")]
    times = {
        event.key.removeprefix("aten::"): (event.self_device_time_total if gpu else event.self_cpu_time_total) / 1e6
        for event in events
    }
    shares = {kind: sum(times.get(name, 0.0) for name in names) / whole for kind, names in KINDS.items()}
    idle = {"idle": 1 - sum(times.values()) / whole} if gpu else {}
    return {"seconds": whole, **shares, **idle, "the rest": 1 - sum(shares.values()) - sum(idle.values())}


# --- several seeds as one model ---------------------------------------------------------------------------------------
def small_candidate() -> Any:
    """An image encoder of the demo's size, with its head: an ``Architecture``."""
    from mixmas_pipeline.models.architecture import Architecture

    block = {"block": "mlp_mixer", "channel_dim": 256}
    encoder = {"tokeniser": {"type": "patches", "patch": 14}, "hidden_dim": 64, "depth": 2, "block": block}
    return Architecture.model_validate(
        {"task": "multiclass", "classes": CLASSES, "inputs": IMAGE, "encoders": {"image": encoder}}
    )


def _three_seeds(arguments: argparse.Namespace, batched: bool) -> dict[str, Any]:
    from mixmas_pipeline.training.trial import run_trials

    architecture = small_candidate() if arguments.size == "demo" else candidate("mlp_mixer")
    budget = _budget(arguments, batched=batched, precision=arguments.precision)
    sample, holdout = random_table(1000), random_table(100)
    if arguments.device == "cuda":  # the first kernels are loaded
        run_trials(architecture, sample, holdout, budget, 3, (0, 1, 2), "accuracy", "")
    start = time.perf_counter()
    run_trials(architecture, sample, holdout, budget, arguments.steps, (0, 1, 2), "accuracy", "")
    return {"seconds": time.perf_counter() - start}


def seeds_batched(arguments: argparse.Namespace) -> dict[str, Any]:
    """Three seeds of a candidate as one model."""
    return _three_seeds(arguments, True)


def seeds_separate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Three seeds of a candidate one after the other."""
    return _three_seeds(arguments, False)


# --- a whole search of the embedded demo ------------------------------------------------------------------------------
ROOT = Path(__file__).parents[1]


def search(arguments: argparse.Namespace) -> dict[str, Any]:
    """``kedro run --pipelines=search`` in a project whose data is prepared, with ``--cores`` and ``--params``."""
    start = time.perf_counter()
    run_kedro(arguments.project, "search", f"compute.cores={arguments.cores}", *arguments.params, env=arguments.env)
    return {"seconds": time.perf_counter() - start}


def search_plain(arguments: argparse.Namespace) -> dict[str, Any]:
    """The candidates of a finished search, every one with every seed, in plain loops scored after every epoch. With
    ``--plain-seeds`` only so many are trained, and the seconds are multiplied."""
    from mixmas_pipeline.datasets.table import TableDataset
    from mixmas_pipeline.models.architecture import Architecture

    def newest(pattern: str) -> list[Path]:
        found = {path.parents[1]: path for path in sorted(arguments.project.glob(f"data/*/{pattern}"))}
        return list(found.values())

    sample, holdout = (
        TableDataset(filepath=str(newest(f"**/search/{name}.arrow/*/{name}.arrow")[0])).load()
        for name in ("sample", "holdout")
    )
    results = [json.loads(path.read_text()) for path in newest("**/*_result.json/*/*_result.json")]
    seeds = max(len(result["trials"]) for result in results)
    trained = min(seeds, arguments.plain_seeds or seeds)
    start = time.perf_counter()
    for result in results:
        architecture = Architecture.model_validate(result["architecture"])
        views = [_only(table, list(architecture.inputs)) for table in (sample, holdout)]
        for _ in range(trained):
            steps, every = result["trials"][0]["steps"], -(-len(sample) // 64)
            _plain_training(architecture, views[0], steps, arguments.device, every, views[1])
    return {"seconds": (time.perf_counter() - start) * seeds / trained, "seeds_trained": trained, "seeds": seeds}


def _only(table: Any, names: list[str]) -> Any:
    import copy

    view = copy.copy(table)
    view.arrays = {name: np.array(table.arrays[name]) for name in names}
    return view


def run_kedro(project: Path, pipeline: str, *parameters: str, env: str = "base") -> None:
    """``kedro run`` of a pipeline in a project folder.

    Raises:
        RuntimeError: it failed; with the end of its output.
    """
    command = [sys.executable, "-m", "kedro", "run", f"--env={env}", f"--pipelines={pipeline}"]
    if parameters:
        command.append(f"--params={','.join(parameters)}")
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def make_project(folder: Path, *parameters: str, env: str = "base") -> Path:
    """A project folder with this checkout's configuration, in which AV-MNIST is prepared; the demo's, or that of
    another environment. A folder that exists is gone on with."""
    project = folder / "project"
    (project / "src").mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "conf", project / "conf", dirs_exist_ok=True)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, project / name)
    run_kedro(project, "avmnist", *parameters, env=env)
    return project


# --- a training epoch of M2-Mixer -------------------------------------------------------------------------------------
def m2_mixer() -> Any:
    """M2-Mixer for AV-MNIST in the published size: an ``Architecture``."""
    from mixmas_pipeline.models import presets
    from mixmas_pipeline.models.architecture import Architecture

    preset = presets.find("m2_mixer_avmnist")
    inputs = {**IMAGE, "audio": {"shape": (112, 112), "mean": 128, "std": 64}}
    return Architecture.model_validate(
        {
            "task": "multiclass",
            "classes": CLASSES,
            "inputs": inputs,
            **preset.model_dump(include={"encoders", "fusion"}),
        }
    )


def epoch(arguments: argparse.Namespace) -> dict[str, Any]:
    """An epoch of full training as the pipeline does it, on ``--pairs`` pairs; without what comes once a training. On
    a GPU it is the second one: the first loads the kernels."""
    from mixmas_pipeline.training.fit import train
    from mixmas_pipeline.training.parameters import TrainingParameters

    architecture, table = m2_mixer(), random_table(arguments.pairs, audio=True)
    epochs = 2 if arguments.device == "cuda" else 1
    parameters = TrainingParameters.model_validate(
        {"seed": 0, "max_epochs": epochs, "patience": epochs, "metric": "accuracy", "learning_rate": 1e-3}
        | {"device": arguments.device, "precision": arguments.precision}
    )
    with tempfile.TemporaryDirectory() as folder:
        _, history = train(architecture, table, table.take(np.arange(64)), parameters, Path(folder) / "checkpoints")
    seconds = float(history["seconds"].iloc[-1])
    return {"seconds": seconds, "gflops": _work(architecture, arguments.pairs) / seconds}


def epoch_plain(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same epoch in a plain loop."""
    architecture, table = m2_mixer(), random_table(arguments.pairs, audio=True)
    _warm_up_plain(arguments, architecture, table.take(np.arange(64)))
    start = time.perf_counter()
    _plain_training(architecture, table, -(-arguments.pairs // 64), arguments.device)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "gflops": _work(architecture, arguments.pairs) / seconds}


def peak(arguments: argparse.Namespace) -> dict[str, Any]:
    """The machine's matrix products, large enough to be at their best."""
    import torch

    gpu = arguments.device == "cuda"
    rows, inner, columns = (8192, 8192, 8192) if gpu else (1024, 1024, 3072)
    if arguments.precision == "tf32":
        torch.set_float32_matmul_precision("high")
    dtype = torch.float32 if arguments.precision == "tf32" else getattr(torch, arguments.precision)
    a = torch.randn(rows, inner, device=arguments.device).to(dtype)
    b = torch.randn(inner, columns, device=arguments.device).to(dtype)
    wait = torch.cuda.synchronize if gpu else lambda: None
    torch.mm(a, b)
    best = float("inf")
    for _ in range(20):
        wait()
        start = time.perf_counter()
        for _ in range(5):
            torch.mm(a, b)
        wait()
        best = min(best, (time.perf_counter() - start) / 5)
    return {"seconds": best, "gflops": 2 * rows * inner * columns / best / 1e9}


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        *(preparation, preparation_plain, trial, trial_plain, trial_published, profile),
        *(seeds_batched, seeds_separate, search, search_plain, epoch, epoch_plain, peak),
    )
}


def measure(case: str, **options: Any) -> dict[str, Any]:
    """What a case returns, and the peak memory of its process in GB.

    Raises:
        RuntimeError: it failed; with the end of its errors.
    """
    params = options.pop("params", [])
    command = [sys.executable, __file__, "--case", case, *(f"--{k.replace('_', '-')}={v}" for k, v in options.items())]
    command += ["--params", *params] if params else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _best_peak(precision: str = "float32") -> float:
    return measure("peak", precision=precision)["gflops"]


def _print(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    Console(width=140).print(table)


def show_preparation(arguments: argparse.Namespace) -> None:
    plain = measure("preparation_plain", pairs=arguments.pairs or 10_000)
    rows = []
    for name, case in (("plain script", plain), ("nodes", measure("preparation", pairs=arguments.pairs or 10_000))):
        rate, ratio = case["units"] / case["seconds"], plain["seconds"] / case["seconds"]
        rows.append((name, f"{case['seconds']:.1f}", f"{rate:,.0f}", f"{case['peak_gb']:.2f}", f"{ratio:.2f}"))
    _print(
        f"preparation of {arguments.pairs or 10_000:,} pairs",
        ("", "seconds", "pairs/s", "peak GB", "times as fast"),
        rows,
    )


def show_blocks(arguments: argparse.Namespace) -> None:
    rows, shares = [], []
    for block in BLOCKS:
        options = {"block": block, "steps": arguments.steps, "dropout": arguments.dropout}
        plain, best, ours = measure("trial_plain", **options), _best_peak(), measure("trial", **options)
        rows.append(_row(block, plain, ours, best))
        split = measure("profile", **options)
        shares.append((block, *(f"{split[kind]:.0%}" for kind in (*KINDS, "the rest"))))
    options = {"steps": arguments.steps}
    published, best, ours = measure("trial_published", **options), _best_peak(), measure("trial", **options)
    rows.append(_row("mlp_mixer, scored as published", published, ours, best))
    half = measure("trial", precision="bfloat16", **options)
    rows.append(_row("mlp_mixer, bfloat16 against float32", ours, half, _best_peak("bfloat16")))
    _print(f"trial of {arguments.steps} steps, image encoder of the published size", _COLUMNS, rows)
    _print("where a step's time goes (one thread)", ("block", *KINDS, "the rest"), shares)


def show_seeds(arguments: argparse.Namespace) -> None:
    rows = []
    for size in ("demo", "published"):
        separate = measure("seeds_separate", steps=arguments.steps, size=size)["seconds"]
        batched = measure("seeds_batched", steps=arguments.steps, size=size)["seconds"]
        rows.append((size, f"{separate:.1f}", f"{batched:.1f}", f"{separate / batched:.2f}"))
    _print("three seeds, on this CPU", ("sizes", "one by one s", "as one model s", "times as fast"), rows)


def show_search(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        project, results = make_project(Path(name)), {}
        for cores in (1, arguments.cores):
            copy = Path(name) / f"cores_{cores}" / "project"
            shutil.copytree(project, copy)
            results[cores] = measure("search", project=copy, cores=cores)
        plain = measure("search_plain", project=copy)
    rows = [("plain loops, scored after every epoch", f"{plain['seconds']:.1f}", "1.00")]
    for cores, found in results.items():
        what = f"kedro run --pipelines=search, {cores} at a time"
        rows.append((what, f"{found['seconds']:.1f}", f"{plain['seconds'] / found['seconds']:.2f}"))
    _print("search on the embedded demo; its data is there", ("", "seconds", "times as fast"), rows)


def show_epoch(arguments: argparse.Namespace) -> None:
    pairs = arguments.pairs or 6_400
    plain, best, ours = measure("epoch_plain", pairs=pairs), _best_peak(), measure("epoch", pairs=pairs)
    half, half_best = measure("epoch", pairs=pairs, precision="bfloat16"), _best_peak("bfloat16")
    rows = [_row("float32", plain, ours, best), _row("bfloat16", plain, half, half_best)]
    title = f"epoch of M2-Mixer (8.3 M parameters) on {pairs:,} pairs; 55,000 take {55_000 / pairs:.1f} times as long"
    _print(title, ("precision", *_COLUMNS[1:]), rows)


_COLUMNS = ("block", "plain s", "here s", "times as fast", "GFLOP/s", "peak GFLOP/s", "of peak", "peak GB")


def _row(name: str, plain: dict[str, Any], ours: dict[str, Any], best: float) -> tuple[str, ...]:
    return (
        name,
        f"{plain['seconds']:.1f}",
        f"{ours['seconds']:.1f}",
        f"{plain['seconds'] / ours['seconds']:.2f}",
        f"{ours['gflops']:.0f}",
        f"{best:.0f}",
        f"{ours['gflops'] / best:.0%}",
        f"{ours['peak_gb']:.2f}",
    )


SHOWN = {
    "preparation": show_preparation,
    "search": show_search,
    "blocks": show_blocks,
    "seeds": show_seeds,
    "epoch": show_epoch,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="*", choices=[*SHOWN, []], metavar="what", help=f"{', '.join(SHOWN)}; default: all"
    )
    parser.add_argument("--pairs", type=int, default=0, help="examples; by default 10,000 prepared, 6,400 in an epoch")
    parser.add_argument("--steps", type=int, default=160, help="optimiser steps a trial")
    parser.add_argument("--dropout", type=float, default=0.0, help="of the blocks")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of a process")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="of a whole search")
    parser.add_argument("--project", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--params", nargs="*", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--plain-seeds", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--env", default="base", help=argparse.SUPPRESS)
    hidden = {"block": ("mlp_mixer", BLOCKS), "size": ("demo", ("demo", "published"))}
    hidden |= {"device": ("cpu", ("cpu", "cuda"))}
    hidden |= {"precision": ("float32", ("float32", "tf32", "bfloat16")), "case": (None, sorted(CASES))}
    for name, (default, choices) in hidden.items():
        parser.add_argument(f"--{name}", default=default, choices=choices, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        logging.disable()
        result = CASES[arguments.case](arguments)
        result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        if arguments.device == "cuda":
            import torch

            result["peak_gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
        sys.stdout.write(json.dumps(result) + "\n")
        return
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    for name in arguments.what or SHOWN:
        SHOWN[name](arguments)


if __name__ == "__main__":
    main()
