"""Parameters of training: of a candidate within a budget, and of the chosen model."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.utils.parameters import Distinct, NonNegative, Parameters, Positive, Seed

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "tf32", "bfloat16"]


class OptimiserParameters(Parameters):
    """AdamW with a linear warm-up and a cosine decay to zero; and what is left out while training.

    Attributes:
        learning_rate: at its peak.
        weight_decay: of AdamW. Default 0.01.
        warmup: share of the steps in which the rate grows from zero. Default 0.1.
        batch_size: examples a step. Default 64.
        clip_norm: largest norm of the gradient. Default 1.
        balance: "classes" weighs the loss so that rare classes count as much as frequent ones; see
            ``mixers.loss.balancing_weights``; a regression has none. Default "none".
        modality_dropout: probability that a modality of an example is left out of a step, as if the example lacked it;
            never all that it has, see ``learning.presence.training_presence``. Not with one modality. Default 0.
    """

    learning_rate: Positive
    weight_decay: NonNegative = 0.01
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    batch_size: int = Field(64, ge=1)
    clip_norm: Positive = 1.0
    balance: Literal["none", "classes"] = "none"
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class RaceParameters(Parameters):
    """A paired race: every candidate is trained with the first seeds; who is then clearly behind the stage's best is
    dropped, and the others are trained with the remaining seeds.

    Attributes:
        seeds: how many of the budget's seeds come first.
        behind: standard errors of the difference (paired by seed and by example) from which on a candidate is dropped.
            Default 3.
    """

    seeds: int = Field(ge=2)
    behind: Positive = 3.0


class BudgetParameters(OptimiserParameters):
    """What a candidate may spend. All candidates of a stage spend the same.

    Attributes:
        steps: optimiser steps.
        extended_steps: steps when a stage is extended because a candidate was not clearly above chance.
        seeds: initialisations and batch orders; every candidate is trained once with each.
        race: drop candidates on the way that are clearly behind; null to train every one with every seed. Default null.
        device: "cpu", "cuda" or "auto" (cuda where there is one).
        precision: "float32", "tf32", "bfloat16" (autocast; weights stay float32), or "auto": bfloat16 on a GPU that has
            it and on a CPU with AMX, float32 elsewhere. Default "float32".
        batched: train a candidate's seeds as one model; "auto" does so on a GPU. Default "auto".
    """

    steps: int = Field(ge=1)
    extended_steps: int = Field(ge=1)
    seeds: Annotated[tuple[Seed, ...], Distinct] = Field(min_length=2)
    race: RaceParameters | None = None
    device: Device = "auto"
    precision: Precision = "float32"
    batched: bool | Literal["auto"] = "auto"

    @property
    def first_seeds(self) -> tuple[int, ...]:
        """Those that every candidate is trained with."""
        return self.seeds if self.race is None else self.seeds[: self.race.seeds]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.race is not None and self.race.seeds >= len(self.seeds):
            raise ValueError(
                f"race.seeds is {self.race.seeds} of {len(self.seeds)} seeds: nothing is left to race for; expected "
                "fewer, or race: null"
            )
        if self.extended_steps < self.steps:
            raise ValueError(f"extended_steps is {self.extended_steps}; expected at least steps, {self.steps}")
        return self


class TrainingParameters(OptimiserParameters):
    """Full training of the chosen architecture.

    Attributes:
        weight_decay: of AdamW. Default 0.05.
        seed: of initialisation and batch order. Default 0.
        max_epochs: at most; also the length of the learning-rate schedule.
        patience: epochs without a better validation score before training stops.
        metric: validation score that is watched; see ``SelectionParameters``.
        fusion_weight_step: growth an epoch of the fused head's weight in the multi-head loss. Default 0.
        accelerator, precision: as PyTorch Lightning's Trainer takes them.
        devices: processes on each host, each with a device of its own: how many, the numbers of the GPUs, or "auto"
            (or -1): all GPUs there are. Default 1.
        num_nodes: hosts. Default 1.
        address: "host:port" of the host on which the run is started, as the other hosts reach it; the port has to be
            free there. Needed, and only read, when there are several hosts.
        strategy: "ddp" or "auto", which is the same thing when there are several processes.
    """

    weight_decay: NonNegative = 0.05
    seed: Seed = 0
    max_epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    metric: Metric
    fusion_weight_step: NonNegative = 0.0
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"] = "auto"
    devices: int | list[int] | Literal["auto"] = 1
    num_nodes: int = Field(1, ge=1)
    address: str | None = None
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"] = "32-true"

    @model_validator(mode="after")
    def _check_devices(self) -> Self:
        devices, gpus = self.devices, self.accelerator in ("auto", "gpu", "cuda")
        if isinstance(devices, int) and (devices == 0 or devices < -1):
            raise ValueError(f"devices is {devices}; expected a number from 1, or -1 for all")
        if isinstance(devices, list):
            if not gpus:
                raise ValueError(
                    f"devices is {devices} with accelerator {self.accelerator!r}; a list has the numbers of GPUs: "
                    "expected how many processes"
                )
            if not devices or len(set(devices)) != len(devices) or min(devices) < 0:
                raise ValueError(f"devices is {devices}; expected numbers of GPUs, each once")
        each = len(devices) if isinstance(devices, list) else devices
        if self.num_nodes > 1:
            if not isinstance(each, int) or each < 1:
                raise ValueError(
                    f"devices is {devices!r} with num_nodes {self.num_nodes}; every host has the same number of "
                    "processes: expected that number"
                )
            if self.address is None:
                raise ValueError(
                    f"num_nodes is {self.num_nodes} and there is no address; expected host:port of the host on which "
                    "the run is started, for example address: 10.0.0.1:29500"
                )
        if self.address is not None and not re.fullmatch(r".+:[1-9]\d{0,4}", self.address):
            raise ValueError(f"address is {self.address!r}; expected host:port, for example 10.0.0.1:29500")
        if isinstance(each, int) and each * self.num_nodes > 1:
            if not (gpus or self.accelerator == "cpu"):
                raise ValueError(
                    f"accelerator is {self.accelerator!r} with {each * self.num_nodes} processes; several work on cpu "
                    "or gpu only"
                )
            if self.batch_size < each * self.num_nodes:
                raise ValueError(
                    f"batch_size is {self.batch_size} with {each * self.num_nodes} processes, which share every batch; "
                    "expected at least one example for each"
                )
        return self
