"""Train a candidate on a small sample, score it on held-out examples: the unit of the search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.evaluation.presence import restrict
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training.averaging import AveragedWeights
from mixmas_pipeline.training.batches import endless_batches, to_tensors
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.loss import fusion_weight, loss_scale, multi_head_loss
from mixmas_pipeline.training.loss_curve import LossCurve
from mixmas_pipeline.training.optimiser import make_optimiser
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.training.recipe import BatchRecipe
from mixmas_pipeline.training.stacked import train_stacked
from mixmas_pipeline.utils.devices import computing_in, pick_device, pick_precision
from mixmas_pipeline.utils.progress import PartStarted, Progress, report


@dataclass(frozen=True)
class Trial:
    """One candidate trained from one seed.

    Attributes:
        seed: of the initialisation and the batch order.
        steps: optimiser steps taken.
        score: on the held-out sample.
        predicted: predicted labels of the held-out sample, as the metric takes them.
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
    """Train from scratch for ``steps`` steps on ``sample``, once per seed; score at the end, on ``holdout``. Rows that
    have none of the architecture's modalities are left out of both, see ``presence.restrict``.

    Each trial has its weights, optimiser state, schedule, batch order and random numbers; trials share nothing. With
    ``budget.batched`` all seeds train as one model. They then differ from separate trials by rounding only (and by
    dropout's random numbers, if there is dropout), and ``Trial.seconds`` is an equal share of the whole.

    Args:
        label: what is trained, for errors and progress.
        parts: report each seed as a part of the node's progress. Default false.

    Raises:
        FloatingPointError: the loss or a predicted number is NaN or infinite.
        ValueError: the device does not exist here, or the metric is not one of the task.
    """
    task = task_of(architecture.task)
    task.check_metric(metric, "the search's selection.metric")
    device = pick_device(budget.device)
    precision = pick_precision(budget.precision, device)
    together = device.type == "cuda" if budget.batched == "auto" else budget.batched
    sample, holdout = (restrict(table, architecture.inputs) for table in (sample, holdout))
    trials: list[Trial] = []
    for group in [tuple(seeds)] if together else [(seed,) for seed in seeds]:
        start = time.perf_counter()
        if parts:
            report(PartStarted("seed", len(trials) + len(group), len(seeds)))
        models = [initialised(MultimodalMixer, seed, architecture).to(device) for seed in group]
        with computing_in(precision, device):
            if len(models) > 1:
                curves = train_stacked(models, sample, device, budget, steps, group, label)
            else:
                curves = [train(models[0], sample, device, budget, steps, group[0], label)]
            logits = [compute_logits(model, holdout, device)[FUSED] for model in models]
        seconds = (time.perf_counter() - start) / len(group)
        for seed, values, curve in zip(group, logits, curves, strict=True):
            if not np.isfinite(values).all():
                raise FloatingPointError(f"{label}, seed {seed}: a prediction is not finite; lower the learning rate")
            predicted = task.predict(values)
            reached = score(metric, holdout.labels, predicted, len(architecture.classes))
            trials.append(Trial(seed, steps, reached, predicted, curve.points, seconds))
    return trials


def train(
    model: MultimodalMixer,
    sample: MultimodalTable,
    device: torch.device,
    budget: BudgetParameters,
    steps: int,
    seed: int,
    label: str,
) -> LossCurve:
    """Train a model in place, which then has the averaged weights; return its loss curve.

    Args:
        model: on ``device``.
        seed: of the batch order, dropped modalities, augmentation and dropout.
        label: see ``run_trials``.
    """
    architecture = model.architecture
    held = to_tensors(sample, device, architecture.inputs, variants=budget.recipe.augmentation.variants)
    weight, scale = fusion_weight(len(architecture.inputs), 0, 0.0), loss_scale(budget, held.labels, architecture)
    model.train()
    weights = list(model.parameters())
    optimiser, schedule = make_optimiser(budget, weights, steps)
    averages = AveragedWeights(weights, budget.recipe.average)
    change = BatchRecipe(budget.recipe, sample.schema, architecture)
    what = f"{label}, seed {seed}"
    curve = LossCurve(steps, what, budget.learning_rate)
    # Dropout draws from the global generator, which is restored afterwards: a trial depends on its seed only.
    with torch.random.fork_rng(), Progress(steps, what, describe=lambda done: f"step {done} of {steps}") as progress:
        torch.manual_seed(seed)
        for step, batch in zip(range(1, steps + 1), endless_batches(sample, held, budget, seed, change), strict=False):
            logits = model(batch.inputs, batch.present)
            loss = multi_head_loss(logits, batch.labels, architecture.task, weight, scale, batch.present)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, budget.clip_norm)
            optimiser.step()
            schedule.step()
            averages.update(step)
            curve.add(step, loss)
            progress.advance()
    averages.install()
    return curve
