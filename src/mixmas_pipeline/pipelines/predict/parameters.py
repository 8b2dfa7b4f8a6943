"""Parameters of predicting new rows."""

from __future__ import annotations

from pydantic import Field

from mixmas_pipeline.pipelines.reference.parameters import ModelChoice
from mixmas_pipeline.utils.parameters import Parameters


class PredictParameters(Parameters):
    """Which rows are predicted, and by which model.

    Attributes:
        model: "searched", a refitted reference ("linear", "trees"), or "recommended": the one that the verdict
            recommends. Default "searched".
        rows: a file, see ``mixmas_pipeline.data.rows.read_rows``; for a custom data set also a file with the columns of
            its table. Default null: nothing to predict.
        sources: for a custom data set, modality -> the folder or file of the new rows. Default: that of the table.
    """

    model: ModelChoice = "searched"
    rows: str | None = None
    sources: dict[str, str] = Field(default_factory=dict)
