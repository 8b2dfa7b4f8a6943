"""Parameters of predicting new rows."""

from __future__ import annotations

from pydantic import Field

from mixmas_pipeline.utils.parameters import Parameters


class PredictParameters(Parameters):
    """What is predicted.

    Attributes:
        rows: a file, see ``mixmas_pipeline.data.rows.read_rows``; of an own data set also one in the layout of its
            table. Default null, with which there is nothing to predict.
        sources: of an own data set, modality -> the folder or file beside the new rows. Default: that of the table.
    """

    rows: str | None = None
    sources: dict[str, str] = Field(default_factory=dict)
