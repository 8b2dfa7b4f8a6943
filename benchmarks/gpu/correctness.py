"""Does a GPU compute what the CPU does? Each check in a process of its own, which prints its result as JSON.

    python benchmarks/gpu/correctness.py blocks --device=cuda

``kit.py correctness`` runs all of them. A difference is the norm of the deviation over the norm of the reference; with
a NaN it is infinite. The tolerances are those of ``TOLERANCES``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
for folder in ("benchmarks", "tests/samples"):
    sys.path.insert(0, str(ROOT / folder))

import run as benchmark  # noqa: E402
from block_cases import BLOCKS, CASES, HIDDEN, make, noise  # noqa: E402

from mixmas_pipeline.models.encoder import initialised  # noqa: E402
from mixmas_pipeline.models.multimodal import MultimodalMixer  # noqa: E402
from mixmas_pipeline.training.batches import to_tensors  # noqa: E402
from mixmas_pipeline.training.loss import multi_head_loss, task_loss  # noqa: E402
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters  # noqa: E402
from mixmas_pipeline.training.trial import run_trials  # noqa: E402
from mixmas_pipeline.utils.devices import computing_in  # noqa: E402

# What -> largest difference. One pass in float32, or in bfloat16 (whose gradients are off by 6 % on a CPU too); the
# losses of a short training, in which rounding grows from step to step.
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.1, "training": 1e-2}


def difference(found: Any, reference: Any) -> float:
    """Norm of the deviation over the norm of the reference, in float64; infinite with a NaN or another shape."""
    a, b = (np.asarray(_array(values), np.float64) for values in (found, reference))
    if a.shape != b.shape:
        return float("inf")
    size = float(np.linalg.norm(b))
    off = float(np.linalg.norm(a - b)) / (size if size > 0 else 1.0)
    return off if np.isfinite(off) else float("inf")


def _array(values: Any) -> np.ndarray:
    return values.detach().float().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


@dataclass
class Findings:
    """Differences as they are found.

    Attributes:
        tolerance: of each.
        worst: what differs most -> its difference.
        failed: what is beyond the tolerance -> its difference.
        count: of comparisons.
    """

    tolerance: float
    worst: tuple[str, float] = ("", 0.0)
    failed: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def compare(self, what: str, found: Any, reference: Any) -> None:
        """Compare, and remember the difference if it is the largest, or too large."""
        off = difference(found, reference)
        self.count += 1
        if off >= self.worst[1]:
            self.worst = (what, off)
        if not off <= self.tolerance:
            self.failed[what] = off

    def result(self, **more: Any) -> dict[str, Any]:
        """As the report reads it. Without a comparison nothing has passed."""
        worst = {"largest": self.worst[1], "where": self.worst[0], "tolerance": self.tolerance}
        passed = self.count > 0 and not self.failed
        return {"passed": passed, "comparisons": self.count, **worst, "failed": self.failed, **more}


# --- one pass, forward and backward -----------------------------------------------------------------------------------
def _passes(module: torch.nn.Module, inputs: Tensor, device: torch.device) -> dict[str, Tensor]:
    """A module's output and the gradients of its parameters, for the mean square of the output."""
    module = module.to(device)
    out = module(inputs.to(device))
    out.square().mean().backward()
    gradients = {f"gradient of {n}": p.grad for n, p in module.named_parameters() if p.grad is not None}
    return {"output": out, **gradients}


def blocks(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every block type on every grid of the tests: output and gradients in float32."""
    findings, device = Findings(TOLERANCES["float32"]), torch.device(arguments.device)
    for name, grid in dict(CASES).items() if arguments.tiny else CASES:
        inputs = noise(8, int(np.prod(grid)), HIDDEN)
        expected, found = (_passes(make(name, grid), inputs, place) for place in (torch.device("cpu"), device))
        for what, reference in expected.items():
            findings.compare(f"{name} {grid}: {what}", found[what], reference)
    return findings.result(block_types=len(BLOCKS))


def _models(arguments: argparse.Namespace) -> Iterator[tuple[str, Any, Any]]:
    """Name, architecture and table: image candidates and M2-Mixer, in the published sizes."""
    rows = 4 if arguments.tiny else 64
    for block in benchmark.BLOCKS:
        yield block, benchmark.candidate(block), benchmark.random_table(rows)
    yield "m2_mixer", benchmark.m2_mixer(), benchmark.random_table(rows, audio=True)


def _model_passes(arguments: argparse.Namespace, precision: str) -> dict[str, Any]:
    findings, cpu, device = Findings(TOLERANCES[precision]), torch.device("cpu"), torch.device(arguments.device)
    for name, architecture, table in _models(arguments):
        passes = []
        for place, used in ((cpu, "float32"), (device, precision)):
            held = to_tensors(table, place)
            model = initialised(MultimodalMixer, 0, architecture).to(place)
            with computing_in(used, place):
                logits = model(held.inputs)
                loss = multi_head_loss(logits, held.labels, "multiclass", 0.5)
            loss.backward()
            gradients = {f"gradient of {n}": p.grad for n, p in model.named_parameters() if p.grad is not None}
            # In bfloat16 single small tensors of a gradient are off by more; the whole gradient counts.
            whole = torch.cat([gradient.flatten().float().cpu() for gradient in gradients.values()])
            parts = gradients if precision == "float32" else {"whole gradient": whole}
            passes.append({**{f"logits of {head}": v for head, v in logits.items()}, "loss": loss, **parts})
        for what, reference in passes[0].items():
            findings.compare(f"{name}: {what}", passes[1][what], reference)
    return findings.result()


def models(arguments: argparse.Namespace) -> dict[str, Any]:
    """Models of the published sizes: logits, loss and gradients in float32."""
    return _model_passes(arguments, "float32")


def models_bfloat16(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same in bfloat16, against the CPU's float32."""
    return _model_passes(arguments, "bfloat16")


def loss(arguments: argparse.Namespace) -> dict[str, Any]:
    """The loss of each task and its gradient, with weights, and with examples that do not count."""
    findings, device = Findings(TOLERANCES["float32"]), torch.device(arguments.device)
    labels = {
        "multiclass": torch.arange(32) % 5,
        "binary": torch.arange(32) % 2,
        "multilabel": (noise(32, 5, seed=2) > 0).float(),
        "regression": noise(32, 5, seed=3),
    }
    for task, truth in labels.items():
        width = 2 if task == "binary" else 5
        for scale, counted in ((None, None), (torch.linspace(0.5, 2, width), None), (None, torch.arange(32) % 3 > 0)):
            results = []
            for place in (torch.device("cpu"), device):
                logits = noise(32, width).to(place).requires_grad_()
                given = [None if value is None else value.to(place) for value in (scale, counted)]
                value = task_loss(logits, truth.to(place), task, *given)
                value.backward()
                results.append((value, logits.grad))
            name = f"{task}, weights {scale is not None}, some left out {counted is not None}"
            for what, found, reference in zip(("loss", "gradient"), results[1], results[0], strict=True):
                findings.compare(f"{name}: {what}", found, reference)
    return findings.result()


# --- short trainings --------------------------------------------------------------------------------------------------
def _budget(arguments: argparse.Namespace, **changed: Any) -> BudgetParameters:
    steps = 4 if arguments.tiny else 40
    settings = {"steps": steps, "extended_steps": steps, "seeds": (0, 1, 2), "learning_rate": 1e-3}
    return BudgetParameters.model_validate({**settings, "device": arguments.device, **changed})


def _trained(arguments: argparse.Namespace) -> Any:
    return benchmark.small_candidate() if arguments.tiny else benchmark.m2_mixer()


def _trials(arguments: argparse.Namespace, architecture: Any, **changed: Any) -> list[Any]:
    budget = _budget(arguments, **changed)
    sample, holdout = (benchmark.random_table(64 if arguments.tiny else 512, audio=True) for _ in range(2))
    return run_trials(architecture, sample, holdout, budget, budget.steps, (0, 1, 2), "accuracy", "a check")


def _losses(trial: Any) -> np.ndarray:
    return np.array([value for _, value in trial.losses])


def _compared_trials(found: list[Any], reference: list[Any], tolerance: float) -> dict[str, Any]:
    findings = Findings(tolerance)
    for one, other in zip(found, reference, strict=True):
        findings.compare(f"losses of seed {one.seed}", _losses(one), _losses(other))
    same = float(
        np.mean([np.mean(one.predicted == other.predicted) for one, other in zip(found, reference, strict=True)])
    )
    return findings.result(same_predictions=same)


def trial(arguments: argparse.Namespace) -> dict[str, Any]:
    """Trials of three seeds of M2-Mixer on the device and on the CPU, one after the other: loss curves."""
    architecture = _trained(arguments)
    reference = _trials(arguments, architecture, device="cpu", batched=False)
    return _compared_trials(_trials(arguments, architecture, batched=False), reference, TOLERANCES["training"])


def stacked(arguments: argparse.Namespace) -> dict[str, Any]:
    """Three seeds as one model against one after the other, both on the device: loss curves."""
    architecture = _trained(arguments)
    reference = _trials(arguments, architecture, batched=False)
    return _compared_trials(_trials(arguments, architecture, batched=True), reference, TOLERANCES["training"])


def repeated(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same trials twice: loss curves. ``bits`` says whether they are the same to the last bit."""
    architecture = _trained(arguments)
    first, second = (_trials(arguments, architecture) for _ in range(2))
    bits = all(np.array_equal(_losses(one), _losses(other)) for one, other in zip(first, second, strict=True))
    return _compared_trials(second, first, TOLERANCES["training"]) | {"bits": bits}


# --- killed and resumed -----------------------------------------------------------------------------------------------
def _train(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A full training of four epochs, which goes on from a checkpoint in the folder."""
    from mixmas_pipeline.training.fit import train

    settings = {"seed": 0, "max_epochs": 4, "patience": 4, "metric": "accuracy", "learning_rate": 1e-3}
    parameters = TrainingParameters.model_validate({**settings, "device": arguments.device})
    architecture = benchmark.small_candidate() if arguments.tiny else benchmark.candidate("mlp_mixer")
    rows = 128 if arguments.tiny else 2560
    table, validation = benchmark.random_table(rows), benchmark.random_table(64)
    model, history = train(architecture, table, validation, parameters, folder)
    weights = torch.cat([parameter.flatten() for parameter in model.parameters()])
    np.save(folder / "weights.npy", weights.detach().numpy())
    return {"losses": history["train_loss"].tolist()}


def _in_child(arguments: argparse.Namespace, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "train", f"--device={arguments.device}", f"--folder={folder}"]
    command += ["--tiny"] if arguments.tiny else []
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def resumed(arguments: argparse.Namespace) -> dict[str, Any]:
    """A training that is killed after its first checkpoint and goes on, against one that is not: losses, weights."""
    findings = Findings(TOLERANCES["training"])
    with tempfile.TemporaryDirectory() as name:
        whole, cut = Path(name) / "whole", Path(name) / "cut"
        child = _in_child(arguments, cut)
        while child.poll() is None and not (cut / "last.ckpt").exists():
            time.sleep(0.05)
        killed = child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.communicate()
        losses = []
        for folder in (cut, whole):
            text, _ = _in_child(arguments, folder).communicate()
            losses.append(json.loads(text.splitlines()[-1])["losses"])
        findings.compare("losses of the epochs", *losses)
        weights = [np.load(folder / "weights.npy") for folder in (cut, whole)]
        findings.compare("best weights", *weights)
    found = findings.result(killed=killed, bits=bool(np.array_equal(*weights)))
    return found | {"passed": found["passed"] and killed}


# --- the project's tests ---------------------------------------------------------------------------------------------
TESTS = [
    *(f"tests/training/test_{name}.py" for name in ("loss", "trial", "stacked", "averaging", "mixup", "augmentation")),
    *(f"tests/training/test_{name}.py" for name in ("modality_dropout", "optimiser", "inference", "batches", "recipe")),
    *(f"tests/training/test_{name}.py" for name in ("lightning_module", "fit", "resumable", "ensembling")),
    *(f"tests/pipelines/search/test_{name}.py" for name in ("nodes", "planted", "trials")),
    "tests/pipelines/training/test_nodes.py",
    "tests/models",
]


def tests(arguments: argparse.Namespace) -> dict[str, Any]:
    """The project's tests of models, loss, trial, search and training, with every "cpu" in parameters made the device
    (``on_device.py``). A test may fail because it demands the CPU's bits: those that fail are named."""
    here = str(Path(__file__).parent)
    environment = {**os.environ, "MIXMAS_TEST_DEVICE": arguments.device}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    chosen = TESTS[:2] if arguments.tiny else [*TESTS, f"-n{min(8, len(os.sched_getaffinity(0)))}"]
    options = ["-q", "-p", "on_device", "-p", "no:cacheprovider", "-m", "not slow and not mirror", "-rf", "--tb=line"]
    command = [sys.executable, "-m", "pytest", *options, *chosen]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stdout[-20_000:] + done.stderr[-2000:])
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    summary = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-300:]
    return {"passed": done.returncode == 0, "failed": dict.fromkeys(failed, "failed"), "summary": summary}


CHECKS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    check.__name__: check for check in (blocks, models, models_bfloat16, loss, trial, stacked, repeated, resumed, tests)
}


def main() -> None:
    """Run one check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check", choices=[*CHECKS, "train"])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes to try it with")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    result = _train(arguments, arguments.folder) if arguments.check == "train" else CHECKS[arguments.check](arguments)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
