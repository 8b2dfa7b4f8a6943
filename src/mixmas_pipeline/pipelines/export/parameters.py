"""Parameters of the export."""

from __future__ import annotations

from typing import Annotated, Literal

from mixmas_pipeline.pipelines.reference.parameters import ModelChoice
from mixmas_pipeline.utils.parameters import Distinct, Parameters, Positive

ExportFormat = Literal["torch_export", "onnx"]


class ExportParameters(Parameters):
    """Which model is exported, and how.

    Attributes:
        model: "searched", a refitted reference ("linear", "trees"), or "recommended": the one that the verdict
            recommends. Default "searched".
        formats: in addition to the weights: "torch_export" (model.pt2), "onnx" (model.onnx; needs the extra "export").
            Default both.
        tolerance: largest difference between an output and the model's; for outputs above 1, relative to the output.
            Beyond it the export fails. Default 0.0001.
        licence: of the model, one of the Hugging Face Hub's identifiers, for example "apache-2.0". Default null: the
            card says that there is none.
        intended_use: what the model is for, in one or more sentences, for the card. Default null: the card says that it
            is not stated.
    """

    model: ModelChoice = "searched"
    formats: Annotated[tuple[ExportFormat, ...], Distinct] = ("torch_export", "onnx")
    tolerance: Positive = 1e-4
    licence: str | None = None
    intended_use: str | None = None
