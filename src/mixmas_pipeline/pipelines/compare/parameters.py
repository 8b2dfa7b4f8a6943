"""Parameters of the comparison with a baseline."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mixmas_pipeline.models import presets
from mixmas_pipeline.models.architecture import Preset
from mixmas_pipeline.utils.parameters import Distinct, Parameters, Positive, Seed


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
