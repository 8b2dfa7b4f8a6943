"""Parameters of the reference models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mixmas_pipeline.utils.parameters import Distinct, Parameters, Seed

# A model to use: the searched one, a reference, or the one that the verdict recommends.
ModelChoice = Literal["searched", "linear", "trees", "recommended"]


class ReferenceParameters(Parameters):
    """Reference models that the trained network is compared with.

    Attributes:
        kinds: "linear" (logistic or ridge regression) and "trees" (gradient-boosted trees). An empty list switches the
            references off, and with them the verdict. Default both.
        each_modality: with two or more modalities, also fit each kind on each modality alone. Default true.
        max_rows: fit on a stratified sample of so many rows if there are more. Default 20,000.
        resamples: bootstrap resamples of the rows, for the intervals. Default 1,000.
        seed: of folds, samples, boosting and resamples. Default 0.
    """

    kinds: Annotated[tuple[Literal["linear", "trees"], ...], Distinct] = ("linear", "trees")
    each_modality: bool = True
    max_rows: int = Field(20_000, ge=10)
    resamples: int = Field(1000, ge=50)
    seed: Seed = 0
