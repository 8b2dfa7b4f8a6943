"""Time and memory of a search and a full training, from a few optimiser steps of every candidate on the sample."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixmas_pipeline.data.table import GIVEN_SPLIT, MultimodalTable
from mixmas_pipeline.evaluation.presence import restrict
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.describe.results import (
    CandidateCost,
    Estimate,
    FailedCandidate,
    FailedTraining,
    Memory,
    SearchCost,
    Speed,
    TimedCandidate,
    TrainingCost,
    TrialTime,
    TrialTimes,
)
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.search.results import FUSION_FUNCTION, FUSION_NETWORK, Proposal
from mixmas_pipeline.training import fit, lightning_module
from mixmas_pipeline.training.batches import batch_rows, passes_per_epoch
from mixmas_pipeline.training.ensembling import is_small
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters
from mixmas_pipeline.training.trial import run_trials
from mixmas_pipeline.utils.devices import computing_in, pick_device, pick_precision
from mixmas_pipeline.utils.logs import quiet
from mixmas_pipeline.utils.resources import ComputeParameters, Share, cores_here, gpus_here, threads

SECONDS = 12.0  # for timing all candidates, approximately
_REPEATS = 3
_BATCHES, _EPOCHS = 8, 3  # of the full training that is timed

Candidate = TimedCandidate | FailedCandidate


class Tables(NamedTuple):
    """The search's samples and the full training's splits."""

    sample: MultimodalTable
    holdout: MultimodalTable
    train: MultimodalTable
    validation: MultimodalTable


def estimate(
    proposals: Sequence[Proposal],
    tables: Tables,
    search: SearchParameters,
    training: TrainingParameters,
    compute: ComputeParameters,
) -> Estimate:
    """Time every candidate and a full training of the last candidate's architecture.

    Args:
        proposals: one or more.
        tables: samples and splits.
        search, training, compute: settings.
    """
    device = pick_device(search.budget.device)
    slots = at_once(compute.shares.trial, compute, device)
    with threads(compute.shares.trial.threads):
        candidates = time_candidates(proposals, tables.sample, tables.holdout, search)
    alone = _epoch_alone(candidates[-1], tables, search.budget.batch_size)
    members = _members(tables, training, compute)
    with threads(members.share.threads):
        cost = _training_cost(proposals[-1], tables, training, alone, members)
    return Estimate(
        device=device.type,
        cores=cores_here(),
        load=load(),
        candidates=tuple(candidates),
        search=search_cost(candidates, search, slots),
        training=cost,
        bytes=_memory(candidates, tables, slots, members),
    )


def nothing_timed(search: SearchParameters) -> Estimate:
    """The estimate of a search that would stop."""
    return Estimate(device=search.budget.device, cores=cores_here(), load=load())


def load() -> float:
    """Mean number of processes that wanted a core in the last minute; 0 where the system does not count them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def time_candidates(
    proposals: Sequence[Proposal], sample: MultimodalTable, holdout: MultimodalTable, search: SearchParameters
) -> list[Candidate]:
    """Size and times of each candidate, or the error that its training raises."""
    allowed = SECONDS / max(1, len(proposals))
    candidates: list[Candidate] = []
    for proposal in proposals:
        size = proposal.model_dump(include={"stage", "candidate", "parameters", "flops"})
        cost = CandidateCost(**size, bytes=working_bytes(proposal.architecture, sample, search.budget))
        try:
            times = _time_candidate(proposal, sample, holdout, search, allowed)
        except FloatingPointError as error:
            candidates.append(FailedCandidate(**cost.model_dump(), failed=str(error)))
            continue
        seconds = times.median.fixed + search.budget.steps * times.median.step
        candidates.append(TimedCandidate(**cost.model_dump(), seconds=times, seconds_a_trial=seconds))
    return candidates


def _time_candidate(
    proposal: Proposal, sample: MultimodalTable, holdout: MultimodalTable, search: SearchParameters, allowed: float
) -> TrialTimes:
    """Time the candidate's first seeds up to three times, for about ``allowed`` seconds.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    budget = search.budget
    label = f"timing {proposal.stage} {proposal.candidate}"

    def spend(steps: int) -> np.ndarray:
        """Wall time and processor time per seed."""
        before = time.process_time()
        trials = run_trials(
            proposal.architecture, sample, holdout, budget, steps, budget.first_seeds, search.selection.metric, label
        )
        return np.array([sum(trial.seconds for trial in trials), time.process_time() - before]) / len(trials)

    one, per_step = _measure_steps(spend, allowed, len(budget.first_seeds), budget.steps)
    cores = 1 if pick_device(budget.device).type == "cuda" else torch.get_num_threads()
    wall, working = np.transpose(per_step)

    def trial_time(step: float, one_step: float, divisor: int = 1) -> TrialTime:
        return TrialTime(max(one_step - step, 0.0) / divisor, step / divisor)

    return TrialTimes(
        median=trial_time(float(np.median(wall)), float(one[0])),
        fastest=trial_time(float(wall.min()), float(one[0])),
        slowest=trial_time(float(wall.max()), float(one[0])),
        working=trial_time(float(np.median(working)), float(one[1]), cores),
    )


def _measure_steps(
    spend: Callable[[int], np.ndarray], allowed: float, seeds: int, most_steps: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Seconds of a trial of one step, and measurements of the seconds per step.

    Args:
        spend: number of steps -> seconds per seed.
        allowed: seconds after which no further measurement begins.
        seeds: that ``spend`` trains.
        most_steps: of a measurement.
    """
    start = time.perf_counter()
    spend(1)  # what a process does only once
    one, few = spend(1), 5
    measured: list[np.ndarray] = []
    while not measured or (len(measured) < _REPEATS and time.perf_counter() - start < allowed):
        measured.append(np.maximum(spend(1 + few) - one, 0.0) / few)
        left = (allowed - (time.perf_counter() - start)) / seeds / _REPEATS
        few = int(np.clip((left - one[0]) / max(measured[-1][0], 1e-6), 3, most_steps))
    return one, measured


def search_cost(candidates: Sequence[Candidate], search: SearchParameters, slots: int) -> SearchCost:
    """Add up the candidates' times.

    Args:
        candidates: as of ``time_candidates``.
        search: seeds, steps and elimination.
        slots: trials that run at the same time.
    """
    budget = search.budget
    seeds, first = len(budget.seeds), len(budget.first_seeds)
    stages = dict.fromkeys(one.stage for one in candidates)
    encoders = [stage for stage in stages if stage not in (FUSION_FUNCTION, FUSION_NETWORK)]
    phases = [phase for phase in (encoders, [FUSION_FUNCTION], [FUSION_NETWORK]) if set(phase) & set(stages)]

    def seconds(speed: Speed, *rounds: tuple[int, int]) -> float:
        """Of all stages. A stage trains each candidate in rounds of (seeds, steps), one after the other."""
        durations = [
            [count * trial_seconds(one, steps, speed) for one in candidates if one.stage in phase]
            for phase in phases
            for count, steps in rounds
        ]
        return sum(makespan(of_round, slots) for of_round in durations)

    begin, rest = (first, budget.steps), (seeds - first, budget.steps)
    extended = budget.extended_steps > budget.steps
    return SearchCost(
        candidates=len(candidates),
        trials=len(candidates) * seeds,
        steps=len(candidates) * seeds * budget.steps,
        at_once=slots,
        seconds=seconds("median", begin, rest),
        alone_seconds=seconds("working", begin, rest),
        least_seconds=seconds("fastest", begin),
        most_seconds=seconds("slowest", begin, (seeds, budget.extended_steps) if extended else rest),
    )


def trial_seconds(candidate: Candidate, steps: int, speed: Speed) -> float:
    """Seconds of one trial; 0 if the candidate failed."""
    if isinstance(candidate, FailedCandidate):
        return 0.0
    measured: TrialTime = getattr(candidate.seconds, speed)
    return measured.fixed + steps * measured.step


def makespan(seconds: Sequence[float], slots: int) -> float:
    """When the last task ends, if each begins, in this order, as soon as a slot is free."""
    free = [0.0] * slots
    for one in seconds:
        free.sort()
        free[0] += one
    return max(free)


def at_once(share: Share, compute: ComputeParameters, device: torch.device) -> int:
    """Number of nodes with this share that run at the same time on this machine."""
    cores = cores_here() if compute.cores == "auto" else compute.cores
    slots = max(1, cores // share.threads)
    if device.type == "cuda" and share.gpus:
        slots = min(slots, max(1, int(gpus_here() / (1 if share.gpus == "auto" else share.gpus))))
    return slots


def time_training(
    proposal: Proposal, train: MultimodalTable, validation: MultimodalTable, training: TrainingParameters
) -> float:
    """Seconds per epoch of full training in one process, from short epochs on a part of both splits."""
    architecture, training = proposal.architecture, training.for_rows(len(train))
    share = min(1.0, _BATCHES * training.batch_size / len(train))

    def part(table: MultimodalTable) -> MultimodalTable:
        rows = np.linspace(0, len(table) - 1, max(2, round(share * len(table)))).astype(int)
        return restrict(table.take(rows), architecture.inputs)

    batches = len(batch_rows(len(part(train)), training.batch_size, 0, 0))
    steps = _EPOCHS * batches * passes_per_epoch(len(train), training)
    short = {"max_epochs": _EPOCHS, "epochs": None, "patience": _EPOCHS, "min_steps": steps}
    settings = training.model_copy(update={**short, "devices": 1, "num_nodes": 1})
    with quiet(lightning_module.__name__, level=logging.WARNING), tempfile.TemporaryDirectory() as folder:
        _, history = fit.train(architecture, part(train), part(validation), settings, Path(folder))
    return float(history["seconds"].iloc[1:].median()) / share


class _Members(NamedTuple):
    """The trainings of networks: their number, how often each is trained at most, what a training takes, and how many
    run at the same time."""

    number: int
    times: int
    share: Share
    at_once: int


def _members(tables: Tables, training: TrainingParameters, compute: ComputeParameters) -> _Members:
    if training.deploy == "single":
        refits = training.refit and GIVEN_SPLIT not in tables.train.extra
        return _Members(1, 1 + refits, compute.shares.training, 1)
    # A member of a small table's ensemble may be trained again, for fewer epochs.
    number, times = training.members, 2 if is_small(tables.train, tables.validation) else 1
    if training.is_distributed:
        return _Members(number, times, compute.shares.training, 1)
    share = compute.shares.member
    return _Members(number, times, share, min(number, at_once(share, compute, pick_device(training.device))))


def _training_cost(
    proposal: Proposal, tables: Tables, training: TrainingParameters, alone: float, members: _Members
) -> TrainingCost | FailedTraining:
    try:
        epoch = time_training(proposal, tables.train, tables.validation, training)
    except FloatingPointError as error:
        return FailedTraining(failed=str(error))
    return TrainingCost(
        seconds_an_epoch=epoch,
        alone_seconds_an_epoch=alone * passes_per_epoch(len(tables.train), training),
        epochs=training.most_epochs * members.number * members.times,
        at_once=members.at_once,
        seconds=members.times * makespan([epoch * training.most_epochs] * members.number, members.at_once),
    )


def _epoch_alone(candidate: Candidate, tables: Tables, batch_size: int) -> float:
    """Seconds per epoch on a machine that runs nothing else, from the processor time of a trial per example."""
    if isinstance(candidate, FailedCandidate):
        return 0.0
    working = candidate.seconds.working
    examples = min(batch_size, len(tables.sample))
    per_epoch = working.step * len(tables.train) / examples
    return per_epoch + working.fixed * len(tables.validation) / len(tables.holdout)


def _memory(candidates: Sequence[Candidate], tables: Tables, slots: int, members: _Members) -> Memory:
    largest = sorted((one.bytes for one in candidates), reverse=True)[:slots]
    samples = _bytes(tables.sample, tables.holdout)
    # A member of a small table's ensemble copies its rows twice; those of a large table stay in their file.
    copied = members.number * members.times > 1 and is_small(tables.train, tables.validation)
    rows = 2 * _bytes(tables.train, tables.validation) if copied else 0
    return Memory(
        samples=samples,
        largest_trial=largest[0],
        at_once=sum(largest) + slots * 2 * samples,
        training=members.at_once * (candidates[-1].bytes + rows),
    )


def _bytes(*tables: MultimodalTable) -> int:
    columns = [column for table in tables for column in (*table.arrays.values(), *table.variants.values())]
    return sum(column.nbytes for column in columns)


def working_bytes(architecture: Architecture, sample: MultimodalTable, budget: BudgetParameters) -> int:
    """Memory of a trial in addition to the sample: weights, gradients, AdamW's two means, and the activations that a
    batch's forward pass keeps for the backward pass."""
    device = pick_device(budget.device)
    model = initialised(MultimodalMixer, budget.seeds[0], architecture).to(device)
    batch = restrict(sample, architecture.inputs)
    batch = batch.take(np.arange(min(len(batch), budget.batch_size)))
    inputs = {name: torch.from_numpy(batch.arrays[name]).to(device) for name in architecture.inputs}
    present = {name: torch.from_numpy(m).to(device) for name, m in batch.present.items() if name in inputs}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with (
        computing_in(pick_precision(budget.precision, device), device),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        model(inputs, present)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    activations = sum(t.untyped_storage().nbytes() for pointer, t in kept.items() if pointer not in weights)
    return activations + 4 * sum(p.numel() * p.element_size() for p in model.parameters())
