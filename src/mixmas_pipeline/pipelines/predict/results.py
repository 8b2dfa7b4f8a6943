"""What the nodes of predict hand on: frozen models, which the catalog keeps as JSON documents."""

from __future__ import annotations

from pydantic import Field

from mixmas_pipeline.pipelines.reference.results import NAMES, ModelKind
from mixmas_pipeline.utils.parameters import Parameters


class ValueContribution(Parameters):
    """What a modality contributes to the predictions of all rows.

    Attributes:
        rows: with a contribution.
        mean_contribution: mean of the contributions.
        mean_absolute_contribution: mean of their sizes.
    """

    rows: int
    mean_contribution: float
    mean_absolute_contribution: float


class ClassContribution(ValueContribution):
    """The same for classes.

    Attributes:
        flipped: share of the predicted classes that would not be predicted without the modality.
        head_agrees: share of the rows in which the modality's head alone predicts the same; None of a reference model,
            which has no heads.
    """

    flipped: float
    head_agrees: float | None


class PredictionSummary(Parameters):
    """Predictions of new rows in numbers.

    Attributes:
        model: what predicted them. Default "searched".
        rows: number of predicted rows.
        decided: class or label -> rows that it is predicted for; empty of a regression.
        modalities: modality -> its contribution; empty for a model of one modality.
        scores: metric -> score; empty if the rows have no labels.
    """

    model: ModelKind = "searched"
    rows: int
    decided: dict[str, int] = Field(default_factory=dict)
    modalities: dict[str, ClassContribution | ValueContribution]
    scores: dict[str, float]

    @property
    def model_name(self) -> str:
        """The model in words."""
        return NAMES[self.model]

    @property
    def flipped(self) -> dict[str, float]:
        """Modality -> share of the predicted classes that would not be predicted without it; empty for a regression."""
        return {name: one.flipped for name, one in self.modalities.items() if isinstance(one, ClassContribution)}
