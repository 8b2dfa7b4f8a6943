"""Train a candidate on a small sample, score it on held-out examples. The unit of the search."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixmas_pipeline.datasets.arrays import release
from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.learning.metrics import predict, score
from mixmas_pipeline.learning.parameters import BudgetParameters, OptimiserParameters
from mixmas_pipeline.mixers.architecture import Architecture
from mixmas_pipeline.mixers.encoder import initialised
from mixmas_pipeline.mixers.loss import balancing_weights, fusion_weight, multi_head_loss
from mixmas_pipeline.mixers.model import FUSED, MultimodalMixer
from mixmas_pipeline.progress import Progress

_CURVE_POINTS = 40


@dataclass(frozen=True)
class Trial:
    """One candidate trained from one seed.

    Attributes:
        seed: of the initialisation and the batch order.
        steps: optimiser steps taken.
        score: on the held-out sample, in [0, 1].
        predicted: held-out labels as predicted, as the metric takes them.
        losses: (step, mean training loss since the point before).
        seconds: of training and scoring.
    """

    seed: int
    steps: int
    score: float
    predicted: np.ndarray
    losses: list[tuple[int, float]]
    seconds: float


def run_trial(
    architecture: Architecture,
    sample: MultimodalTable,
    holdout: MultimodalTable,
    budget: BudgetParameters,
    steps: int,
    seed: int,
    metric: str,
    label: str,
) -> Trial:
    """Train from scratch for ``steps`` steps on ``sample``; score once, at the end, on ``holdout``.

    Each trial has its own weights, optimiser, schedule and random numbers: nothing is shared with another.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
    """
    start = time.perf_counter()
    device = pick_device(budget.device)
    model = initialised(MultimodalMixer, seed, architecture).to(device)
    losses = _train(model, to_tensors(sample, device), architecture.task, budget, steps, seed, label)
    logits = compute_logits(model, holdout, device)[FUSED]
    predicted = predict(logits, architecture.task)
    return Trial(
        seed=seed,
        steps=steps,
        score=score(metric, holdout.labels, predicted, len(architecture.classes)),
        predicted=predicted,
        losses=losses,
        seconds=time.perf_counter() - start,
    )


def pick_device(device: str) -> torch.device:
    """The device to compute on; "auto" is cuda where there is one.

    Raises:
        ValueError: cuda is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError('device is "cuda" but torch sees no CUDA device; use "auto" or "cpu"')
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def to_tensors(table: MultimodalTable, device: torch.device) -> tuple[dict[str, Tensor], Tensor]:
    """A table's modalities, in their stored types, and its labels, on a device."""
    inputs = {name: torch.from_numpy(np.array(array)).to(device) for name, array in table.arrays.items()}
    return inputs, torch.from_numpy(np.array(table.labels)).to(device)


def class_weights_of(parameters: OptimiserParameters, labels: Tensor, architecture: Architecture) -> Tensor | None:
    """Weights of the classes in the loss, from the training labels; None where all weigh the same."""
    if parameters.balance == "none":
        return None
    return balancing_weights(labels, len(architecture.classes), architecture.task)


def make_optimiser(
    parameters: OptimiserParameters, model: torch.nn.Module, steps: int, fused: bool = True
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW, and its schedule: linear from 0 over the warm-up, then half a cosine down to 0 at ``steps``."""
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=parameters.learning_rate, weight_decay=parameters.weight_decay, fused=fused
    )
    warmup = max(1, round(parameters.warmup * steps))

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, rate)


def batch_rows(rows: int, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """The rows of every batch of an epoch: a permutation that depends on seed and epoch only, cut in pieces.

    A last batch of a single example is joined to the one before it.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    pieces = list(torch.randperm(rows, generator=generator).split(batch_size))
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    return pieces


def evaluation_rows(table: MultimodalTable) -> Iterator[slice]:
    """Rows of every batch that is only scored: up to 512, fewer of large examples, whose hidden layers are larger."""
    values = sum(math.prod(modality.shape) for modality in table.schema.modalities.values())
    step = min(512, max(16, (1 << 24) // values))
    for start in range(0, len(table), step):
        yield slice(start, start + step)


@torch.inference_mode()
def compute_logits(model: MultimodalMixer, table: MultimodalTable, device: torch.device) -> dict[str, np.ndarray]:
    """Every head's logits for every row, (n, classes) float32, in eval mode; the model's mode is restored."""
    training = model.training
    model.eval()
    parts: dict[str, list[np.ndarray]] = {}
    for rows in evaluation_rows(table):
        inputs = {name: torch.from_numpy(np.array(array[rows])).to(device) for name, array in table.arrays.items()}
        for head, logits in model({name: inputs[name] for name in model.architecture.inputs}).items():
            parts.setdefault(head, []).append(logits.float().cpu().numpy())
        release(*table.arrays.values())
    model.train(training)
    return {head: np.concatenate(pieces) for head, pieces in parts.items()}


def _train(
    model: MultimodalMixer,
    data: tuple[dict[str, Tensor], Tensor],
    task: str,
    budget: BudgetParameters,
    steps: int,
    seed: int,
    label: str,
) -> list[tuple[int, float]]:
    inputs, labels = data
    names = list(model.architecture.inputs)
    weight = fusion_weight(len(names), 0, 0.0)
    class_weights = class_weights_of(budget, labels, model.architecture)
    optimiser, schedule = make_optimiser(budget, model, steps)
    model.train()
    curve: list[tuple[int, float]] = []
    total, since = torch.zeros((), device=labels.device), 0
    step = epoch = 0
    # Dropout draws from the global generator: fork it, so that this trial depends on its own seed only.
    with torch.random.fork_rng(), Progress(steps, label) as progress:
        torch.manual_seed(seed)
        while step < steps:
            for rows in batch_rows(len(labels), budget.batch_size, seed, epoch):
                rows = rows.to(labels.device)
                logits = model({name: inputs[name][rows] for name in names})
                loss = multi_head_loss(logits, labels[rows], task, weight, class_weights)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), budget.clip_norm)
                optimiser.step()
                schedule.step()
                total += loss.detach()
                since += 1
                step += 1
                if step % max(1, steps // _CURVE_POINTS) == 0 or step == steps:
                    mean = total.item() / since
                    if not math.isfinite(mean):
                        raise FloatingPointError(
                            f"{label}, seed {seed}: the training loss is {mean} at step {step}; lower the "
                            f"learning rate ({budget.learning_rate})"
                        )
                    curve.append((step, mean))
                    total, since = torch.zeros_like(total), 0
                progress.advance(note=f"loss {curve[-1][1]:.3f}" if curve else "")
                if step == steps:
                    break
            epoch += 1
    return curve
