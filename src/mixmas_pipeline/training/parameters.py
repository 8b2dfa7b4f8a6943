"""Parameters of training: of a candidate within a budget, and of the chosen model."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.utils.parameters import Count, Distinct, NonNegative, Parameters, Positive, Seed

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "tf32", "bfloat16"]


# With more steps per epoch than these, larger batches take less time, and learn as much.
_EPOCH_STEPS = 300

Share = Annotated[float, Field(ge=0, lt=1)]


class AugmentationParameters(Parameters):
    """Random changes of training inputs, by the kind of the modality, see ``training.augmentation``. 0 turns one off.

    Attributes:
        variants: draw each row from its variants, where the table has some, and itself. Default true.
        shift: of pictures and spectrograms, up to this share of each side. Default 0.1.
        flip: mirror pictures, left and right, with probability 0.5. Default false.
        erase: cut a rectangle out of a picture, up to this share of each side. Default 0.
        spectrum_mask: cut a band of times and one of frequencies out of a spectrogram (SpecAugment), each up to this
            share of its side. Default 0.2.
        jitter: noise on time series, in standard deviations. Default 0.1.
        scale: standard deviation of a random factor of each feature of a time series. Default 0.1.
        time_mask: cut a span of steps out of a time series, up to this share of them. Default 0.2.
        noise: on tables and embeddings, in standard deviations. Default 0.1.
        token_dropout: probability that a text's token is left out. Default 0.1.
    """

    variants: bool = True
    shift: Share = 0.1
    flip: bool = False
    erase: Share = 0.0
    spectrum_mask: Share = 0.2
    jitter: NonNegative = 0.1
    scale: NonNegative = 0.1
    time_mask: Share = 0.2
    noise: NonNegative = 0.1
    token_dropout: Share = 0.1


class RecipeParameters(Parameters):
    """What keeps a training from learning its rows by heart. The single word "published" instead of keys means
    M2-Mixer's published recipe: all of it off.

    Attributes:
        augmentation: random changes of the inputs.
        mixup: examples are blended in pairs, by shares from Beta(mixup, mixup), see ``training.mixup``. 0: not. Default
            0.4.
        label_smoothing: share of the probability that a label spreads evenly; not for a regression. Default 0.
        average: decay per step of the moving average of the weights, which is what is validated, kept and scored, see
            ``training.averaging``. 0: the last weights are. Default 0.99.
        decay_vectors: decay the weights of normalisations and biases too. Default false.
    """

    augmentation: AugmentationParameters = AugmentationParameters()
    mixup: NonNegative = 0.4
    label_smoothing: Share = 0.0
    average: Share = 0.99
    decay_vectors: bool = False


NO_AUGMENTATION = AugmentationParameters.model_validate(
    {"variants": False}
    | dict.fromkeys(("shift", "spectrum_mask", "jitter", "scale", "time_mask", "noise", "token_dropout"), 0)
)
PUBLISHED = RecipeParameters(augmentation=NO_AUGMENTATION, mixup=0.0, average=0.0, decay_vectors=True)


class TrialRecipeParameters(RecipeParameters):
    """The recipe of the search's trials, which are too short for augmentation: in 200 steps it costs more than it
    brings. Variants help (the demo's whole model: 0.85 without, 0.92 with them).

    Attributes:
        augmentation: random changes of the inputs. Default none, but variants.
    """

    augmentation: AugmentationParameters = NO_AUGMENTATION.model_copy(update={"variants": True})


def _read_recipe(recipe: Any) -> Any:
    recipe = PUBLISHED if recipe == "published" else recipe
    return dict(recipe) if isinstance(recipe, RecipeParameters) else recipe


Recipe = Annotated[RecipeParameters, BeforeValidator(_read_recipe)]
TrialRecipe = Annotated[TrialRecipeParameters, BeforeValidator(_read_recipe)]


class OptimiserParameters(Parameters):
    """AdamW with a linear warm-up and a cosine decay to zero, modality dropout, and the recipe.

    Attributes:
        learning_rate: the peak.
        weight_decay: of AdamW. Default 0.01.
        warmup: share of the steps in which the rate grows from zero. Default 0.1.
        batch_size: examples per step. Default 64.
        clip_norm: largest norm of the gradient. Default 1.
        balance: "classes" weighs the loss so that rare classes count as much as frequent ones, see
            ``loss.balancing_weights``; not for a regression. Default "none".
        modality_dropout: probability that a step leaves out a modality of an example, as if the example lacked it; at
            least one modality stays, see ``modality_dropout.drop_modalities``. Needs two modalities. Default 0.
        recipe: against learning by heart; the word "published" turns it off.
    """

    learning_rate: Positive
    weight_decay: NonNegative = 0.01
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    batch_size: int = Field(64, ge=1)
    clip_norm: Positive = 1.0
    balance: Literal["none", "classes"] = "none"
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    recipe: Recipe = RecipeParameters()


class DeviceParameters(Parameters):
    """Where a training computes, and in which precision.

    Attributes:
        device: "cpu", "cuda" or "auto" (cuda if available). Default "auto".
        precision: "float32"; "tf32"; "bfloat16" (autocast; weights stay float32); or "auto": bfloat16 on a GPU that has
            it and on a CPU with AMX, else float32. See ``utils.devices``. Default "float32".
    """

    device: Device = "auto"
    precision: Precision = "float32"


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


class BudgetParameters(OptimiserParameters, DeviceParameters):
    """What a candidate may spend. All candidates of a stage spend the same.

    Attributes:
        steps: optimiser steps.
        extended_steps: steps when a stage is extended because a candidate was not clearly above chance.
        seeds: initialisations and batch orders; every candidate is trained once per seed.
        race: drop candidates on the way that are clearly behind; null trains every candidate with every seed. Default
            null.
        recipe: as in full training, but without augmentation; the word "published" turns the rest off.
        batched: train a candidate's seeds as one model; "auto" does so on a GPU. Default "auto".
    """

    steps: int = Field(ge=1)
    extended_steps: int = Field(ge=1)
    seeds: Annotated[tuple[Seed, ...], Distinct] = Field(min_length=2)
    race: RaceParameters | None = None
    recipe: TrialRecipe = TrialRecipeParameters()
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


class TrainingParameters(OptimiserParameters, DeviceParameters):
    """Full training of the chosen architecture.

    Attributes:
        weight_decay: of AdamW. Default 0.05.
        seed: of initialisation, batch order and folds; member m adds m. Default 0.
        max_epochs: upper limit, and the length of the learning-rate schedule.
        patience: epochs without a better validation score before training stops.
        deploy: "ensemble" trains several members, which predict together. "single" trains one model. Default
            "ensemble".
        refit: of a single model: when the best epoch is known, train once more, with a schedule of so many epochs, on
            the training and validation rows; unless a column of your table gives the split. Default true.
        members: networks in the ensemble. With fewer than 5,000 rows (and 1 GiB) each is trained on the training and
            validation rows without a fold of its own. With more, or if a column of your table gives the split, each
            is trained on the training split from a seed of its own. Default 5.
        references: a linear model and boosted trees may be members of the ensemble, with weights that lower the loss on
            rows that no member was trained on; see ``ensembling.select_weights``. Default true.
        keep: "best": the weights of the epoch with the best validation score. "last": those of the last epoch; then
            nothing stops early. Members of an ensemble by fold are always trained with "last"; see
            ``ensembling.choose_epochs``. Default "best".
        epochs: stop after this many epochs; the schedule keeps the length of ``max_epochs``. Default null: train all.
        min_steps: with few rows an epoch goes over them several times, so often that the schedule has this many
            optimiser steps. Default 0: once.
        max_batch_size: with many rows, batches double, to at most this size, while an epoch has more than 300 of them;
            the learning rate grows with the power 3/4 of their size. Default null: they do not.
        metric: validation score that is watched; see ``SelectionParameters``.
        fusion_weight_step: growth per epoch of the fused head's weight in the multi-head loss. Default 0.
        precision: beside those of ``DeviceParameters`` "float16" (autocast with scaled gradients, for GPUs without
            bfloat16) and "float64" (weights too).
        devices: processes on each host, each with a device: their number, a list of GPUs by number, or "auto": all GPUs
            of this host. Default 1.
        num_nodes: number of hosts. Default 1.
        address: "host:port" of the host that runs Kedro, as the other hosts reach it; the port must be free there.
            Needed with two or more hosts; not read with one.
    """

    weight_decay: NonNegative = 0.05
    seed: Seed = 0
    max_epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    deploy: Literal["ensemble", "single"] = "ensemble"
    refit: bool = True
    members: int = Field(5, ge=2)
    references: bool = True
    keep: Literal["best", "last"] = "best"
    epochs: Count | None = None
    min_steps: int = Field(0, ge=0)
    max_batch_size: Count | None = None
    metric: Metric
    fusion_weight_step: NonNegative = 0.0
    precision: Precision | Literal["float16", "float64"] = "float32"  # type: ignore[assignment]
    devices: Annotated[int, Field(ge=1)] | list[Annotated[int, Field(ge=0)]] | Literal["auto"] = 1
    num_nodes: int = Field(1, ge=1)
    address: str | None = None

    @property
    def is_distributed(self) -> bool:
        """Whether several processes, or a GPU that is named by its number, train a network."""
        return self.devices != 1 or self.num_nodes > 1

    def for_rows(self, rows: int) -> Self:
        """These settings with the size of batches, and the learning rate, for so many training rows."""
        size = self.batch_size
        while self.max_batch_size is not None and 2 * size <= self.max_batch_size and rows > _EPOCH_STEPS * size:
            size *= 2
        rate = self.learning_rate * (size / self.batch_size) ** 0.75
        return self.model_copy(update={"batch_size": size, "learning_rate": rate, "max_batch_size": None})

    @property
    def most_epochs(self) -> int:
        """How many epochs are trained, if nothing stops before."""
        return self.epochs or self.max_epochs

    def of_member(self, number: int, keep: Literal["best", "last"]) -> Self:
        """Settings of a member's training. They do not say what else is in the ensemble: that changes no member.

        Args:
            number: of the member, from 0.
            keep: as above.
        """
        alone = {
            "deploy": "single",
            **{name: type(self).model_fields[name].default for name in ("refit", "members", "references")},
        }
        return self.model_copy(update={**alone, "seed": self.seed + number, "keep": keep})

    @model_validator(mode="after")
    def _check_epochs(self) -> Self:
        if self.epochs is not None and self.epochs > self.max_epochs:
            raise ValueError(f"epochs is {self.epochs}; expected at most max_epochs, {self.max_epochs}")
        return self

    @model_validator(mode="after")
    def _check_devices(self) -> Self:
        devices = self.devices
        if isinstance(devices, list):
            if self.device == "cpu":
                raise ValueError(
                    f"devices is {devices} with device 'cpu'; a list has the numbers of GPUs: expected the number of "
                    "processes"
                )
            if not devices or len(set(devices)) != len(devices):
                raise ValueError(f"devices is {devices}; expected numbers of GPUs, each once")
        per_host = len(devices) if isinstance(devices, list) else devices
        if isinstance(per_host, int) and self.batch_size < per_host * self.num_nodes:
            raise ValueError(
                f"batch_size is {self.batch_size} with {per_host * self.num_nodes} processes, which share every batch; "
                "expected at least one example per process"
            )
        return self

    @model_validator(mode="after")
    def _check_hosts(self) -> Self:
        if self.num_nodes > 1 and self.devices == "auto":
            raise ValueError(
                f"devices is 'auto' with num_nodes {self.num_nodes}; every host has the same number of processes: "
                "expected that number"
            )
        if self.num_nodes > 1 and self.address is None:
            raise ValueError(
                f"num_nodes is {self.num_nodes} and there is no address; expected host:port of the host that runs "
                "Kedro, for example address: 10.0.0.1:29500"
            )
        if self.address is not None and not re.fullmatch(r".+:[1-9]\d{0,4}", self.address):
            raise ValueError(f"address is {self.address!r}; expected host:port, for example 10.0.0.1:29500")
        return self
