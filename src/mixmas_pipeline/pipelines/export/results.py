"""What the nodes of export hand on: frozen models, which the catalog keeps as JSON documents."""

from __future__ import annotations

from mixmas_pipeline.pipelines.reference.results import NAMES, ModelKind
from mixmas_pipeline.utils.parameters import Parameters


class Latency(Parameters):
    """Times of one form of the model for one batch size.

    Attributes:
        form: "torch", "torch_export" or "onnx"; of an ensemble also "one network", its first, in torch.
        examples: in a batch.
        median_ms, p90_ms: median and 90th percentile of the milliseconds per batch.
        calls: that were timed.
    """

    form: str
    examples: int
    median_ms: float
    p90_ms: float
    calls: int


class Machine(Parameters):
    """Where the times were measured.

    Attributes:
        cpu: name of the processor.
        cores: None if the system does not tell.
        system: for example "Linux".
    """

    cpu: str
    cores: int | None
    system: str


class ExportReport(Parameters):
    """Size, accuracy and speed of the exported forms.

    Attributes:
        model: what is exported. Default "searched".
        parameters: of the model; of a reference the numbers that were fitted.
        flops_per_example: of its forward pass; None of a reference model.
        one_network: parameters and floating-point operations per example of one network of an ensemble. Default None.
        files: name -> bytes.
        differences: form -> examples in a batch -> largest absolute difference of an output from the model's.
        tolerance: the largest difference that is allowed.
        latency: one entry per form and batch size.
        threads: with which times were measured.
        machine: on which.
        versions: library -> version.
    """

    model: ModelKind = "searched"
    parameters: int
    flops_per_example: int | None
    one_network: tuple[int, int] | None = None
    files: dict[str, int]
    differences: dict[str, dict[str, float]]
    tolerance: float
    latency: tuple[Latency, ...]
    threads: int
    machine: Machine
    versions: dict[str, str]

    @property
    def model_name(self) -> str:
        """The model in words."""
        return NAMES[self.model]
