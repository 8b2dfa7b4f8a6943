"""What a search and a full training will take: timed on a few optimiser steps of every candidate, on the sample."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.presence import restrict
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.search.results import FUSION_FUNCTION, FUSION_NETWORK, Proposal
from mixmas_pipeline.training import fit, lightning_module
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters
from mixmas_pipeline.training.trial import run_trials
from mixmas_pipeline.utils.devices import computing_in, pick_device, pick_precision
from mixmas_pipeline.utils.resources import ComputeParameters, cores_here, gpus_here, threads

SECONDS = 12.0  # that timing all candidates may take, about
_REPEATS = 3
_BATCHES, _EPOCHS = 8, 3  # of the full training that is timed


def time_candidates(
    proposals: list[Proposal], sample: MultimodalTable, holdout: MultimodalTable, search: SearchParameters
) -> list[dict[str, Any]]:
    """Returns:
    For each proposal stage, candidate, parameters, flops; bytes that it works with beside the sample; seconds: median,
    fastest, slowest of up to three measurements, and working (of the processor, which other programs do not add to),
    each as the seconds to begin and to score, and those of a step; seconds_a_trial. Of one that fails: failed, the
    error's words, in place of the seconds.
    """
    allowed = SECONDS / max(1, len(proposals))
    return [_timed(proposal, sample, holdout, search, allowed) for proposal in proposals]


def time_training(
    proposal: Proposal, train: MultimodalTable, validation: MultimodalTable, training: TrainingParameters
) -> float:
    """Seconds of an epoch of full training in one process: from short epochs on a part of both splits."""
    architecture = proposal.architecture
    share = min(1.0, _BATCHES * training.batch_size / len(train))

    def part(table: MultimodalTable) -> MultimodalTable:
        rows = np.linspace(0, len(table) - 1, max(2, round(share * len(table)))).astype(int)
        return restrict(table.take(rows), architecture.inputs)

    settings = training.model_copy(update={"max_epochs": _EPOCHS, "patience": _EPOCHS, "devices": 1, "num_nodes": 1})
    quiet = logging.getLogger(lightning_module.__name__)
    level = quiet.level
    quiet.setLevel(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            _, history = fit.train(architecture, part(train), part(validation), settings, Path(folder))
    finally:
        quiet.setLevel(level)
    return float(history["seconds"].iloc[1:].median()) / share


def total(candidates: list[dict[str, Any]], search: SearchParameters, slots: int) -> dict[str, Any]:
    """The search's seconds, if every candidate is trained with every seed and no stage is extended; alone_seconds: the
    same on a machine that does nothing else; least: at the fastest that was measured, and if a race ends every stage
    after the first seeds; most: at the slowest, and if every stage is extended. And the trials' number and steps."""
    budget = search.budget
    seeds, first = len(budget.seeds), len(budget.first_seeds)
    stages = dict.fromkeys(one["stage"] for one in candidates)
    together = [stage for stage in stages if stage not in (FUSION_FUNCTION, FUSION_NETWORK)]
    phases = [phase for phase in (together, [FUSION_FUNCTION], [FUSION_NETWORK]) if set(phase) & set(stages)]

    def seconds(speed: str, *trainings: tuple[int, int]) -> float:
        """Of all stages, if each candidate is trained so many times with so many steps, and then so many with so many
        before its stage goes on."""
        work = [
            [count * trial_seconds(one, steps, speed) for one in candidates if one["stage"] in phase]
            for phase in phases
            for count, steps in trainings
        ]
        return sum(makespan(own, slots) for own in work)

    begin, rest = (first, budget.steps), (seeds - first, budget.steps)
    extended = budget.extended_steps > budget.steps
    return {
        "candidates": len(candidates),
        "trials": len(candidates) * seeds,
        "steps": len(candidates) * seeds * budget.steps,
        "at_once": slots,
        "seconds": seconds("median", begin, rest),
        "alone_seconds": seconds("working", begin, rest),
        "least_seconds": seconds("fastest", begin),
        "most_seconds": seconds("slowest", begin, (seeds, budget.extended_steps) if extended else rest),
    }


def trial_seconds(candidate: dict[str, Any], steps: int, speed: str) -> float:
    """Of one seed; 0 of one that failed. ``speed``: which of those measured."""
    if "failed" in candidate:
        return 0.0
    beside, step = candidate["seconds"][speed]
    return float(beside + steps * step)


def makespan(seconds: Sequence[float], slots: int) -> float:
    """When the last of these is done, if each begins as soon as one of the slots is free, in this order."""
    free = [0.0] * slots
    for one in seconds:
        free.sort()
        free[0] += one
    return max(free)


def trials_at_once(compute: ComputeParameters, device: torch.device) -> int:
    """How many trials run beside each other on this machine."""
    cores = cores_here() if compute.cores == "auto" else compute.cores
    slots = max(1, cores // compute.shares.trial.threads)
    gpus = compute.shares.trial.gpus
    if device.type == "cuda" and gpus:
        slots = min(slots, max(1, int(gpus_here() / (1 if gpus == "auto" else gpus))))
    return slots


def estimate(
    proposals: list[Proposal],
    sample: MultimodalTable,
    holdout: MultimodalTable,
    train: MultimodalTable,
    validation: MultimodalTable,
    search: SearchParameters,
    training: TrainingParameters,
    compute: ComputeParameters,
) -> dict[str, Any]:
    """Returns:
    device; cores that there are, and load, how many processes wanted one in the last minute; candidates, as of
    ``time_candidates``; search, as of ``total``; training: of the last candidate's architecture: seconds of an epoch,
    measured and as on a machine that does nothing else, epochs and seconds at most, or failed, the error's words;
    bytes: of both samples, of the largest trial, and of what runs at once.
    """
    device = pick_device(search.budget.device)
    slots = trials_at_once(compute, device)
    with threads(compute.shares.trial.threads):
        candidates = time_candidates(proposals, sample, holdout, search)
    alone = _epoch_alone(candidates[-1], sample, holdout, train, validation, search, training)
    with threads(compute.shares.training.threads):
        whole = _whole_training(proposals[-1], train, validation, training, alone)
    largest = sorted((one["bytes"] for one in candidates), reverse=True)[:slots]
    samples = sum(array.nbytes for table in (sample, holdout) for array in table.arrays.values())
    return {
        "device": device.type,
        "cores": cores_here(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        "candidates": candidates,
        "search": total(candidates, search, slots),
        "training": whole,
        "bytes": {"samples": samples, "largest_trial": largest[0], "at_once": sum(largest) + slots * 2 * samples},
    }


def _whole_training(
    proposal: Proposal,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    alone: float,
) -> dict[str, Any]:
    try:
        epoch = time_training(proposal, train, validation, training)
    except FloatingPointError as error:
        return {"failed": str(error)}
    return {
        "seconds_an_epoch": epoch,
        "alone_seconds_an_epoch": alone,
        "epochs": training.max_epochs,
        "seconds": epoch * training.max_epochs,
    }


def _epoch_alone(
    candidate: dict[str, Any],
    sample: MultimodalTable,
    holdout: MultimodalTable,
    train: MultimodalTable,
    validation: MultimodalTable,
    search: SearchParameters,
    training: TrainingParameters,
) -> float:
    """Seconds of an epoch on a machine that does nothing else, as its trial worked for each example."""
    if "failed" in candidate:
        return 0.0
    beside, step = candidate["seconds"]["working"]
    examples = min(search.budget.batch_size, len(sample))
    return float(step * len(train) / examples + beside * len(validation) / len(holdout))


def _timed(
    proposal: Proposal,
    sample: MultimodalTable,
    holdout: MultimodalTable,
    search: SearchParameters,
    allowed: float,
) -> dict[str, Any]:
    architecture, budget = proposal.architecture, search.budget
    found: dict[str, Any] = proposal.model_dump(include={"stage", "candidate", "parameters", "flops"})
    found["bytes"] = working_bytes(architecture, sample, budget)
    label = f"timing {proposal.stage} {proposal.candidate}"

    def spent(steps: int) -> np.ndarray:
        """Seconds a seed, and those that the processor worked for it."""
        working = time.process_time()
        trials = run_trials(
            architecture, sample, holdout, budget, steps, budget.first_seeds, search.selection.metric, label
        )
        return np.array([sum(trial.seconds for trial in trials), time.process_time() - working]) / len(trials)

    start = time.perf_counter()
    try:
        spent(1)  # what is done once in a process
        one, few = spent(1), 5
        measured: list[np.ndarray] = []
        while not measured or (len(measured) < _REPEATS and time.perf_counter() - start < allowed):
            measured.append(np.maximum(spent(1 + few) - one, 0.0) / few)
            left = (allowed - (time.perf_counter() - start)) / len(budget.first_seeds) / _REPEATS
            few = int(np.clip((left - one[0]) / max(measured[-1][0], 1e-6), 3, budget.steps))
    except FloatingPointError as error:
        return {**found, "failed": str(error)}

    def apart(step: float, which: int) -> list[float]:
        return [max(float(one[which]) - step, 0.0), step]

    cores = 1 if pick_device(budget.device).type == "cuda" else torch.get_num_threads()
    steps, working = np.transpose(measured)
    found["seconds"] = {
        "median": apart(float(np.median(steps)), 0),
        "fastest": apart(float(steps.min()), 0),
        "slowest": apart(float(steps.max()), 0),
        "working": [seconds / cores for seconds in apart(float(np.median(working)), 1)],
    }
    return {**found, "seconds_a_trial": trial_seconds(found, budget.steps, "median")}


def working_bytes(architecture: Architecture, sample: MultimodalTable, budget: BudgetParameters) -> int:
    """What training a candidate holds beside the sample: weights, their gradients and AdamW's two means, and what a
    batch's forward pass keeps for the backward pass."""
    device = pick_device(budget.device)
    model = initialised(MultimodalMixer, budget.seeds[0], architecture).to(device)
    batch = restrict(sample, architecture.inputs)
    batch = batch.take(np.arange(min(len(batch), budget.batch_size)))
    inputs = {name: torch.from_numpy(batch.arrays[name]).to(device) for name in architecture.inputs}
    present = {n: torch.from_numpy(there).to(device) for n, there in batch.present.items() if n in inputs}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with (
        computing_in(pick_precision(budget.precision, device), device),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        logits = model(inputs, present)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    activations = sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in own)
    del logits
    return activations + 4 * sum(p.numel() * p.element_size() for p in model.parameters())
