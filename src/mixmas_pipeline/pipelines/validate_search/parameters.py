"""Parameters of the validation of the search."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mixmas_pipeline.training.parameters import Device, OptimiserParameters
from mixmas_pipeline.utils.parameters import Count, Distinct, NonNegative, Parameters, Positive, Seed


class TruthParameters(OptimiserParameters):
    """How every combination of the sub-space is fully trained, as the truth.

    Attributes:
        weight_decay: of AdamW. Default 0.05.
        rows: training examples, a stratified sample of the split; the whole split if it has fewer.
        epochs: passes over them. Nothing stops early, so that nothing is chosen by the validation split, on which the
            combination is scored. Default 10.
        seeds: of initialisations and batch orders. Default 100, 101.
        device: as in the search's budget. Default "auto".
    """

    weight_decay: NonNegative = 0.05
    rows: int = Field(ge=2)
    epochs: Count = 10
    seeds: Annotated[tuple[Seed, ...], Distinct] = Field((100, 101), min_length=2)
    device: Device = "auto"


class ProxyParameters(Parameters):
    """The budgets that the micro-benchmark is tried with: every combination of the lists.

    Attributes:
        rows: training examples of the sample.
        epochs: passes over them. Default 4, 16.
        learning_rates: at their peak.
        seeds: numbers of trials per candidate; n trials are the first n of the same ones.
        replicates: how often the search is repeated, each time with other samples, scoring samples and seeds. Default
            3.
        joint: also search the joint space with Optuna's TPE sampler, at the price of each search. Needs the extra
            "optuna". Default true.
    """

    rows: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Distinct] = Field(min_length=1)
    epochs: Annotated[tuple[Count, ...], Distinct] = Field((4, 16), min_length=1)
    learning_rates: Annotated[tuple[Positive, ...], Distinct] = Field(min_length=1)
    seeds: Annotated[tuple[Count, ...], Distinct] = Field(min_length=1)
    replicates: int = Field(3, ge=2)
    joint: bool = True


class ValidateSearchParameters(Parameters):
    """Does the search choose well? Every combination is fully trained, and the search's choices are compared with that.

    Attributes:
        space: stage (a modality, "fusion_function" or "fusion_network") -> names of the candidates that take part.
            Default: all candidates of a stage.
        truth: the full trainings.
        proxy: the searches.
    """

    space: dict[str, Annotated[tuple[str, ...], Field(min_length=1), Distinct]] = Field(default_factory=dict)
    truth: TruthParameters
    proxy: ProxyParameters
