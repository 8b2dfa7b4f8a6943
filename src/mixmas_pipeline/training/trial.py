"""Train a candidate on a small sample, score it on held-out examples. The unit of the search."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.evaluation.presence import known, training_presence
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.storage.memory_maps import release
from mixmas_pipeline.training.loss import balancing_weights, fusion_weight, multi_head_loss
from mixmas_pipeline.training.parameters import BudgetParameters, OptimiserParameters
from mixmas_pipeline.training.stacked import OneModel, StackedModels
from mixmas_pipeline.utils.devices import computing_in, pick_device, pick_precision
from mixmas_pipeline.utils.progress import PartStarted, Progress, report

_CURVE_POINTS = 40


@dataclass(frozen=True)
class Trial:
    """One candidate trained from one seed.

    Attributes:
        seed: of the initialisation and the batch order.
        steps: optimiser steps taken.
        score: on the held-out sample.
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
    """``run_trials`` with one seed."""
    return run_trials(architecture, sample, holdout, budget, steps, (seed,), metric, label)[0]


def run_trials(
    architecture: Architecture,
    sample: MultimodalTable,
    holdout: MultimodalTable,
    budget: BudgetParameters,
    steps: int,
    seeds: Sequence[int],
    metric: str,
    label: str,
    *,
    parts: bool = False,
) -> list[Trial]:
    """Train from scratch for ``steps`` steps on ``sample``, once with each seed; score at the end, on ``holdout``. Rows
    that have none of the architecture's modalities take no part, in neither: see ``presence.known``.

    Each trial has its own weights, optimiser state, schedule, batch order and random numbers: nothing is shared with
    another. Where ``budget.batched`` makes all seeds one model they differ from separate trials by rounding only (and
    by dropout's random numbers, where there is dropout), and ``Trial.seconds`` is an equal share of the whole.

    Args:
        label: what is trained, for errors and progress.
        parts: tell of each seed as a part of the node's work. Default false.

    Raises:
        FloatingPointError: the loss became NaN or infinite, or a number that is predicted is.
        ValueError: the device is not there, or the metric is not one of the task.
    """
    task = task_of(architecture.task)
    task.check_metric(metric, "the search's selection.metric")
    device = pick_device(budget.device)
    precision = pick_precision(budget.precision, device)
    together = device.type == "cuda" if budget.batched == "auto" else budget.batched
    sample, holdout = (known(table, architecture.inputs) for table in (sample, holdout))
    trials: list[Trial] = []
    for group in [tuple(seeds)] if together else [(seed,) for seed in seeds]:
        start = time.perf_counter()
        if parts:
            report(PartStarted("seed", len(trials) + len(group), len(seeds)))
        models = [initialised(MultimodalMixer, seed, architecture).to(device) for seed in group]
        with computing_in(precision, device):
            curves = _train(models, sample, device, budget, steps, group, label)
            logits = [compute_logits(model, holdout, device)[FUSED] for model in models]
        seconds = (time.perf_counter() - start) / len(group)
        for seed, values, losses in zip(group, logits, curves, strict=True):
            predicted = task.predict(values)
            if not np.isfinite(values).all():
                raise FloatingPointError(
                    f"{label}, seed {seed}: what it predicts is not finite; lower the learning rate"
                )
            reached = score(metric, holdout.labels, predicted, len(architecture.classes))
            trials.append(Trial(seed, steps, reached, predicted, losses, seconds))
    return trials


def to_tensors(table: MultimodalTable, device: torch.device) -> tuple[dict[str, Tensor], Tensor]:
    """A table's modalities, in their stored types, and its labels, on a device."""
    inputs = {name: torch.from_numpy(np.array(array)).to(device) for name, array in table.arrays.items()}
    return inputs, torch.from_numpy(np.array(table.labels)).to(device)


def loss_scale(parameters: OptimiserParameters, labels: Tensor, architecture: Architecture) -> Tensor | None:
    """The loss's ``scale`` (see ``mixers.loss.task_loss``), float32: weights of the classes, from the training labels,
    or the targets' standard deviations; None where all classes weigh the same.

    Raises:
        ValueError: classes are to be balanced in a regression.
    """
    if parameters.balance != "none":
        return balancing_weights(labels, len(architecture.classes), architecture.task)
    return None if architecture.targets is None else torch.tensor(architecture.targets.std, device=labels.device)


def make_optimiser(
    parameters: OptimiserParameters, weights: Iterable[Tensor], steps: int, fused: bool = True
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW, and its schedule: linear from 0 over the warm-up, then half a cosine down to 0 at ``steps``."""
    optimiser = torch.optim.AdamW(
        weights, lr=parameters.learning_rate, weight_decay=parameters.weight_decay, fused=fused
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
def compute_logits(
    model: MultimodalMixer,
    table: MultimodalTable,
    device: torch.device,
    present: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Every head's logits for every row, (n, classes) float32, in eval mode; the model's mode is restored.

    Args:
        present: which rows' modalities are looked at, name -> (n,) booleans. Default: as the table says.
    """
    training = model.training
    model.eval()
    present = table.present if present is None else present
    parts: dict[str, list[np.ndarray]] = {}
    for rows in evaluation_rows(table):
        inputs = {name: torch.from_numpy(np.array(array[rows])).to(device) for name, array in table.arrays.items()}
        names = model.architecture.inputs
        there = {name: torch.from_numpy(np.array(present[name][rows])).to(device) for name in names if name in present}
        for head, logits in model({name: inputs[name] for name in names}, there).items():
            parts.setdefault(head, []).append(logits.float().cpu().numpy())
        release(*table.arrays.values())
    model.train(training)
    return {head: np.concatenate(pieces) for head, pieces in parts.items()}


def _train(
    models: list[MultimodalMixer],
    sample: MultimodalTable,
    device: torch.device,
    budget: BudgetParameters,
    steps: int,
    seeds: Sequence[int],
    label: str,
) -> list[list[tuple[int, float]]]:
    """Train the models, each from its own seed; return each one's training losses."""
    inputs, labels = to_tensors(sample, device)
    task = models[0].architecture.task
    names = list(models[0].architecture.inputs)
    weight = fusion_weight(len(names), 0, 0.0)
    scale = loss_scale(budget, labels, models[0].architecture)
    for model in models:
        model.train()
    learner = OneModel(models) if len(models) == 1 else StackedModels(models)
    optimiser, schedule = make_optimiser(budget, learner.parameters, steps)
    curves: list[list[tuple[int, float]]] = [[] for _ in seeds]
    total, since = torch.zeros(len(seeds), device=labels.device), 0
    step = epoch = 0

    def describe(done: int) -> str:
        return f"step {done} of {steps}"

    # Dropout draws from the global generator: fork it, so that this trial depends on its own seed only.
    what = f"{label}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    with torch.random.fork_rng(), Progress(steps, what, describe=describe) as progress:
        torch.manual_seed(seeds[0])
        while step < steps:
            # The whole epoch's rows at once: a copy to a GPU makes the host wait.
            epochs = [batch_rows(len(labels), budget.batch_size, seed, epoch) for seed in seeds]
            batches = [[rows.to(labels.device) for rows in pieces] for pieces in epochs]
            taking_part = [
                {name: torch.from_numpy(there).to(labels.device) for name, there in epoch_presence.items()}
                for epoch_presence in (
                    training_presence(sample, names, budget.modality_dropout, seed, epoch) for seed in seeds
                )
            ]
            for step_rows in zip(*batches, strict=True):
                present = [
                    {name: there[rows] for name, there in own.items()}
                    for own, rows in zip(taking_part, step_rows, strict=True)
                ]
                logits = learner([{name: inputs[name][rows] for name in names} for rows in step_rows], present)
                losses = torch.stack(
                    [
                        multi_head_loss(heads, labels[rows], task, weight, scale, there)
                        for heads, rows, there in zip(logits, step_rows, present, strict=True)
                    ]
                )
                optimiser.zero_grad(set_to_none=True)
                losses.sum().backward()
                learner.clip(budget.clip_norm)
                optimiser.step()
                schedule.step()
                total += losses.detach()
                since += 1
                step += 1
                if step % max(1, steps // _CURVE_POINTS) == 0 or step == steps:
                    for seed, curve, mean in zip(seeds, curves, (total / since).tolist(), strict=True):
                        if not math.isfinite(mean):
                            raise FloatingPointError(
                                f"{label}, seed {seed}: the training loss is {mean} at step {step}; lower the "
                                f"learning rate ({budget.learning_rate})"
                            )
                        curve.append((step, mean))
                    total, since = torch.zeros_like(total), 0
                progress.advance()
                if step == steps:
                    break
            epoch += 1
    learner.unstack()
    return curves
