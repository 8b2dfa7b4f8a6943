"""Parameters of the validation of the search."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mixmas_pipeline.training.parameters import Device, OptimiserParameters
from mixmas_pipeline.utils.parameters import Count, Distinct, Parameters, Positive, Seed


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
