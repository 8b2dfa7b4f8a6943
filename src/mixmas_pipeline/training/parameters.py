"""Parameters of sampling, training and selection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, field_validator, model_validator

from mixmas_pipeline.models import presets
from mixmas_pipeline.models.architecture import Block, FusionFunction, Preset, Tokeniser, Width
from mixmas_pipeline.utils.parameters import Parameters

Metric = Literal["accuracy", "f1_macro", "f1_weighted", "f1_micro", "f1_samples", "f1", "r2"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "tf32", "bfloat16"]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
T = TypeVar("T", bound=tuple[Any, ...])


def _without_repeats(values: T) -> T:
    if len(set(values)) != len(values):
        raise ValueError(f"{values} repeats one")
    return values


Distinct = AfterValidator(_without_repeats)


class SampleParameters(Parameters):
    """How many training examples the search sees: n = z^2 p (1 - p) / margin^2, corrected for the population's size
    (MixMAS, section "Sampling"). Two disjoint samples are drawn from the training split: one to train candidates on,
    one to score them on.

    Attributes:
        seed: of the draw.
        z: standard score of the confidence level. Default 1.96 (95 %).
        p: assumed proportion. Default 0.5, the most careful.
        margin: margin of error of the training sample; "auto": see ``sampling.sample_sizes``. Default 0.05.
        holdout_margin: margin of error of the scoring sample, or "auto". Default 0.03.
        balance: largest difference allowed between a class's proportion in a sample and in the split; of a regression
            that of a tenth of a target's values; and that of a modality which rows may lack. Default 0.05.
    """

    seed: Seed
    z: Positive = 1.96
    p: Annotated[float, Field(gt=0, lt=1)] = 0.5
    margin: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = 0.05
    holdout_margin: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = 0.03
    balance: Annotated[float, Field(gt=0, lt=1)] = 0.05


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


class SelectionParameters(Parameters):
    """How a stage's winner is found.

    Attributes:
        metric: the score on the held-out sample; "f1" is the positive class's and for binary tasks, "r2" for
            regressions, which have no other.
        tie: candidates whose mean score is within this many standard errors of the best one's are tied with it; of
            tied candidates the cheapest wins. Default 1 (the one-standard-error rule of Breiman et al. 1984).
        above_chance: a candidate counts as having learnt something when its mean score is this many standard
            deviations above that of its own predictions with the labels shuffled. Default 3.
        resamples: bootstrap and shuffle resamples. Default 500.
        seed: of the resampling.
    """

    metric: Metric
    tie: NonNegative = 1.0
    above_chance: Positive = 3.0
    resamples: int = Field(500, ge=50)
    seed: Seed = 0


class MatchParameters(Parameters):
    """How candidates are made to have the same number of parameters.

    Attributes:
        tolerance: largest relative difference from the reference candidate's count; null to leave candidates as they
            are written. Default 0.1.
        hyperparameter: width that is changed when needed. Default "channel_dim".
    """

    tolerance: Annotated[float, Field(gt=0, lt=1)] | None = 0.1
    hyperparameter: Literal["channel_dim"] = "channel_dim"


# Names of stages and of the search nodes' other arguments.
_TAKEN = (
    *("sample", "holdout", "selection", "budget", "decision", "functions", "network"),
    *("fusion_function", "fusion_network"),
)


def _check_names(names: Iterable[str]) -> None:
    """Modalities and candidates name nodes, data sets and files."""
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in _TAKEN:
            raise ValueError(
                f"{name!r} cannot name a candidate or modality; expected small letters, digits and _, starting with a "
                f"letter, and none of {', '.join(_TAKEN)}"
            )


class Candidates(Parameters):
    """Block candidates of one stage.

    Attributes:
        reference: the candidate whose parameter count the others are matched to.
        candidates: name -> block and its hyperparameters; null takes one out (of an environment that inherits it).
        left_out: candidates that do not take part, but may be the reference. Default none.
    """

    reference: str
    candidates: dict[str, Block | None]
    left_out: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_names(self.candidates)
        if not self.names:
            raise ValueError("no candidate is left")
        if self.candidates.get(self.reference) is None:
            raise ValueError(f"the reference {self.reference!r} is not among the candidates {self.names}")
        return self

    def only(self, names: Iterable[str]) -> Self:
        """The same stage with some of its candidates taking part. The reference stays what it is, and so does every
        candidate's architecture.

        Raises:
            ValueError: there is no such candidate.
        """
        names = list(names)
        if unknown := sorted(set(names) - set(self.names)):
            raise ValueError(f"unknown candidate {unknown[0]!r}: expected some of {', '.join(self.names)}")
        return self.model_copy(update={"left_out": tuple(name for name in self.candidates if name not in names)})

    @property
    def blocks(self) -> dict[str, Block]:
        """Candidates that take part, in the order in which they are written."""
        taking_part = {name: block for name, block in self.candidates.items() if name not in self.left_out}
        return {name: block for name, block in taking_part.items() if block is not None}

    @property
    def names(self) -> list[str]:
        """The names of ``blocks``."""
        return list(self.blocks)

    @property
    def reference_block(self) -> Block:
        """The reference's block."""
        block = self.candidates[self.reference]
        assert block is not None
        return block


class EncoderStage(Candidates):
    """One modality's encoder candidates: they share everything but the block.

    Attributes:
        tokeniser: of all candidates but those named in ``tokenisers``.
        tokenisers: candidate -> its own tokeniser, for a block that cannot work on the others' tokens: a plain MLP
            takes a vector as one token, where mixers take a token for each feature. Default none.
        hidden_dim, depth: of all candidates.
    """

    tokeniser: Tokeniser
    tokenisers: dict[str, Tokeniser] = Field(default_factory=dict)
    hidden_dim: Width
    depth: Width

    @model_validator(mode="after")
    def _check_tokenisers(self) -> Self:
        if unknown := sorted(set(self.tokenisers) - set(self.candidates)):
            raise ValueError(f"tokenisers names {unknown[0]!r}, which is not among the candidates {self.names}")
        return self


class FusionNetworkStage(Candidates):
    """The fusion network's candidates. The reference is the fixed network of the fusion-function stage.

    Attributes:
        depth: number of blocks, of all candidates.
    """

    depth: Width

    @model_validator(mode="after")
    def _check_grid(self) -> Self:
        for name, block in self.candidates.items():
            if block is not None and block.needs_grid:
                raise ValueError(f"the fusion network {name!r}: {block.block} needs a grid; fused tokens have none")
        return self


class SearchParameters(Parameters):
    """A data set's search space and how it is searched.

    Attributes:
        sample: how many training examples the search sees.
        budget: what a candidate may spend.
        selection: how a stage's winner is found.
        match: how candidates are made to have the same number of parameters.
        encoders: modality -> its candidates.
        fusion_functions: candidates: "concat", "max", "mean", "sum".
        fusion_network: its candidates.
    """

    sample: SampleParameters
    budget: BudgetParameters
    selection: SelectionParameters
    match: MatchParameters = MatchParameters()
    encoders: dict[str, EncoderStage] = Field(min_length=1)
    fusion_functions: Annotated[tuple[FusionFunction, ...], Distinct] = Field(min_length=1)
    fusion_network: FusionNetworkStage

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_names(self.encoders)
        return self

    def only(self, space: dict[str, tuple[str, ...]]) -> Self:
        """The sub-space that has only the named candidates in the named stages.

        Raises:
            ValueError: there is no such stage or candidate.
        """
        stages = [*self.encoders, "fusion_function", "fusion_network"]
        if unknown := sorted(set(space) - set(stages)):
            raise ValueError(f"unknown stage {unknown[0]!r}: expected some of {', '.join(stages)}")
        functions = [f for f in self.fusion_functions if f in space.get("fusion_function", self.fusion_functions)]
        if unknown := sorted(set(space.get("fusion_function", ())) - set(functions)):
            raise ValueError(
                f"unknown fusion function {unknown[0]!r}: expected some of {', '.join(self.fusion_functions)}"
            )
        encoders = {name: stage.only(space.get(name, stage.names)) for name, stage in self.encoders.items()}
        network = self.fusion_network.only(space.get("fusion_network", self.fusion_network.names))
        return self.model_copy(
            update={"encoders": encoders, "fusion_network": network, "fusion_functions": tuple(functions)}
        )


class TrainingParameters(OptimiserParameters):
    """Full training of the chosen architecture.

    Attributes:
        seed: of initialisation and batch order.
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

    seed: Seed
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


class CompareParameters(Parameters):
    """The searched architecture against a fixed one, and against each modality alone.

    Attributes:
        baseline: name of a preset (``mixers/presets.py``), or encoders and a fusion written out.
        learning_rates: peak rates that every contender is tried with; the best on validation is taken.
        tuning_seed: of those trials; not among ``seeds``.
        seeds: every contender is trained once with each, at its rate.
        confidence: of the intervals. Default 0.95.
        resamples: bootstrap resamples of the test examples. Default 500.
        published: contender -> score reported elsewhere, on other data; shown beside ours and marked as such. Null
            takes one out. Default none.
    """

    baseline: Preset
    learning_rates: Annotated[tuple[Positive, ...], Distinct] = Field(min_length=1)
    tuning_seed: Seed
    seeds: Annotated[tuple[Seed, ...], Distinct] = Field(min_length=2)
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    resamples: int = Field(500, ge=50)
    published: dict[Literal["baseline", "searched"], float | None] = Field(default_factory=dict)

    @field_validator("baseline", mode="before")
    @classmethod
    def _by_name(cls, baseline: Any) -> Any:
        return presets.find(baseline) if isinstance(baseline, str) else baseline

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tuning_seed in self.seeds:
            raise ValueError(f"tuning_seed {self.tuning_seed} is among the seeds {self.seeds}; expected another one")
        return self


class TruthParameters(OptimiserParameters):
    """How every combination of the sub-space is trained to know its worth.

    Attributes:
        rows: training examples, a stratified sample of the split; all of it if there are fewer.
        epochs: passes over them, all of them: nothing is stopped early, so the validation split, on which the
            combination is scored, has chosen nothing.
        seeds: initialisations, batch orders.
        device: as the search's budget. Default "auto".
    """

    rows: int = Field(ge=2)
    epochs: Count
    seeds: Annotated[tuple[Seed, ...], Distinct] = Field(min_length=2)
    device: Device = "auto"


class ProxyParameters(Parameters):
    """The budgets that the micro-benchmark is tried with: every combination of the lists.

    Attributes:
        rows: training examples of the sample.
        epochs: passes over them.
        learning_rates: at their peak.
        seeds: trials a candidate; every number of the list is tried with the first so many of the same trials.
        replicates: the search is repeated with so many other samples, scoring samples and seeds.
        joint: give Optuna's TPE sampler what each search spent, over the joint space. Needs the extra "optuna".
    """

    rows: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Distinct] = Field(min_length=1)
    epochs: Annotated[tuple[Count, ...], Distinct] = Field(min_length=1)
    learning_rates: Annotated[tuple[Positive, ...], Distinct] = Field(min_length=1)
    seeds: Annotated[tuple[Count, ...], Distinct] = Field(min_length=1)
    replicates: int = Field(ge=2)
    joint: bool = True


class ValidateSearchParameters(Parameters):
    """Does the search choose well? Every combination is trained fully, and the choices are held against that.

    Attributes:
        space: stage (a modality, "fusion_function" or "fusion_network") -> names of the candidates that take part;
            all of the search space where a stage is not named.
        truth: the full trainings.
        proxy: the searches.
    """

    space: dict[str, Annotated[tuple[str, ...], Field(min_length=1), Distinct]] = Field(default_factory=dict)
    truth: TruthParameters
    proxy: ProxyParameters


class PredictParameters(Parameters):
    """What is predicted.

    Attributes:
        rows: a file, see ``mixmas_pipeline.datasets.rows.read_rows``; of an own data set also one in the layout of its
            table. Default null, with which there is nothing to predict.
        sources: of an own data set, modality -> the folder or file beside the new rows. Default: that of the table.
    """

    rows: str | None = None
    sources: dict[str, str] = Field(default_factory=dict)


ExportFormat = Literal["torch_export", "onnx"]


class ExportParameters(Parameters):
    """What is exported of a trained model.

    Attributes:
        formats: beside the weights: "torch_export" (model.pt2), "onnx" (model.onnx; needs the extra "export"). Default
            both.
        tolerance: largest difference of an output from the model's own, absolute, and relative to outputs larger
            than 1; beyond it the export fails. Default 0.0001.
        licence: of the model, an identifier as the Hugging Face Hub has them, for example "apache-2.0". Default null:
            the card says that none is given.
        intended_use: what the model is for, in a sentence or more; for the card. Default null: the card says that
            nothing is said.
    """

    formats: Annotated[tuple[ExportFormat, ...], Distinct] = ("torch_export", "onnx")
    tolerance: Positive = 1e-4
    licence: str | None = None
    intended_use: str | None = None
