"""Parameters of the comparison with a baseline."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mixmas_pipeline.models import presets
from mixmas_pipeline.models.architecture import Preset
from mixmas_pipeline.models.block_reader import UNCHECKED
from mixmas_pipeline.utils.parameters import Distinct, Parameters, Positive, Seed


class CompareParameters(Parameters):
    """The searched architecture against a fixed one, and against each modality alone.

    Attributes:
        baseline: name of a preset (``models/presets.py``), or encoders and a fusion written out.
        learning_rates: peak rates that every contender is tuned over, by its validation score. Default 0.0005, 0.001,
            0.002.
        tuning_seed: of the trainings that tune; not among ``seeds``. Default 100.
        seeds: every contender is trained once with each, at its rate. Default 0 to 4.
        confidence: of the intervals. Default 0.95.
        resamples: bootstrap resamples of the test examples. Default 500.
        published: contender -> score reported elsewhere, on other data; shown beside ours and marked as such. Null
            removes one. Default none.
    """

    baseline: Preset
    learning_rates: Annotated[tuple[Positive, ...], Distinct] = Field((0.0005, 0.001, 0.002), min_length=1)
    tuning_seed: Seed = 100
    seeds: Annotated[tuple[Seed, ...], Distinct] = Field((0, 1, 2, 3, 4), min_length=2)
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    resamples: int = Field(500, ge=50)
    published: dict[Literal["baseline", "searched"], float | None] = Field(default_factory=dict)

    @field_validator("baseline", mode="before")
    @classmethod
    def _read_baseline(cls, baseline: Any, info: ValidationInfo) -> Preset:
        """Look a preset's name up. Blocks stay unchecked, except where the validation's context says otherwise."""
        context = info.context or UNCHECKED
        if not isinstance(baseline, str):
            return Preset.model_validate(baseline, context=context)
        preset = presets.find(baseline)
        return preset.checked() if context["check_blocks"] else preset

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tuning_seed in self.seeds:
            raise ValueError(f"tuning_seed {self.tuning_seed} is among the seeds {self.seeds}; expected another one")
        return self
