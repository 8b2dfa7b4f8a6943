"""Parameters of the export."""

from __future__ import annotations

from typing import Annotated, Literal

from mixmas_pipeline.utils.parameters import Distinct, Parameters, Positive

ExportFormat = Literal["torch_export", "onnx"]


class ExportParameters(Parameters):
    """How a trained model is exported.

    Attributes:
        formats: in addition to the weights: "torch_export" (model.pt2), "onnx" (model.onnx; needs the extra "export").
            Default both.
        tolerance: largest difference between an output and the model's, absolute, and relative to outputs larger than
            1; beyond it the export fails. Default 0.0001.
        licence: of the model, an identifier as the Hugging Face Hub has them, for example "apache-2.0". Default null:
            the card says that none is given.
        intended_use: what the model is for, in a sentence or more; for the card. Default null: the card says that
            nothing is said.
    """

    formats: Annotated[tuple[ExportFormat, ...], Distinct] = ("torch_export", "onnx")
    tolerance: Positive = 1e-4
    licence: str | None = None
    intended_use: str | None = None
