"""A trained model in forms that run without this project's code, each compared with the model itself.

Both forms take the stored values of any number of examples. They are traced with zeros, so no row of the data is in a
file.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.models.ensemble import AnyModel
from mixmas_pipeline.models.reference import ReferenceModel
from mixmas_pipeline.pipelines.export.parameters import ExportFormat
from mixmas_pipeline.utils.logs import quiet

_EXPORTERS = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")  # whose loggers report progress

FILES: dict[ExportFormat, str] = {"torch_export": "model.pt2", "onnx": "model.onnx"}
CHECKED_BATCHES = (1, 2, 7, 33)

Tensors = dict[str, Tensor]
Run = Callable[[Tensors, Tensors], Tensors]  # inputs and presence by modality -> logits by head


def check_installed(formats: Sequence[ExportFormat]) -> None:
    """Refuse a format whose packages are not installed.

    Raises:
        ModuleNotFoundError: the message says what to install.
    """
    packages = ("onnx", "onnxscript", "onnxruntime") if "onnx" in formats else ()
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise ModuleNotFoundError(
            f"the format onnx needs {', '.join(missing)}: pip install 'mixmas_pipeline[export]', or leave it out "
            "(export.formats: [torch_export])"
        )


class _Portable(nn.Module):
    """The model for other runtimes. Stored values become floats first, as standardising would make them, because not
    every runtime compares or selects values of every type. With one modality there is one output, because its head's
    output is the same."""

    def __init__(self, model: AnyModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensors, present: Tensors | None = None) -> Tensors:
        logits: Tensors = self.model({name: x.float() for name, x in inputs.items()}, present)
        return logits if len(inputs) > 1 else {FUSED: logits[FUSED]}


def convert(form: ExportFormat, model: AnyModel, dtypes: dict[str, str]) -> tuple[bytes, Run]:
    """The model as a file's content, and a function that runs that content. See ``trace`` for the arguments."""
    program = trace(model, dtypes)
    if form == "torch_export":
        content = to_pt2(program)
        return content, open_pt2(content)
    content = to_onnx(program, model)
    return content, open_onnx(content, model)


def versions(formats: Sequence[ExportFormat]) -> dict[str, str]:
    """Versions of the libraries that made and ran these formats."""
    used = ("torch", "onnx", "onnxscript", "onnxruntime") if "onnx" in formats else ("torch",)
    return {name: importlib.metadata.version(name) for name in used}


def trace(model: AnyModel, dtypes: dict[str, str]) -> torch.export.ExportedProgram:
    """The model as a graph, for any batch size. Its arguments are the model's: ``inputs`` and, if there are optional
    modalities, ``present`` with all of them.

    Args:
        model: in eval mode, on the CPU.
        dtypes: modality -> its stored type.
    """
    given = model.architecture.inputs
    arguments: list[Tensors] = [
        {name: torch.zeros(2, *i.shape, dtype=getattr(torch, dtypes[name])) for name, i in given.items()}
    ]
    if optional := [name for name, i in given.items() if i.optional]:
        arguments.append({name: torch.ones(2, dtype=torch.bool) for name in optional})
    batch = torch.export.Dim("batch", min=1)
    shapes = tuple({name: {0: batch} for name in argument} for argument in arguments)
    with quiet(*_EXPORTERS):
        program = torch.export.export(_Portable(model).eval(), tuple(arguments), dynamic_shapes=shapes)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def to_pt2(program: torch.export.ExportedProgram) -> bytes:
    """The program as a file for ``torch.export.load``."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def open_pt2(content: bytes) -> Run:
    """A function that runs a program. Open only your own files: ``torch.export.load`` may unpickle."""
    module = torch.export.load(io.BytesIO(content)).module()

    @torch.inference_mode()
    def run(inputs: Tensors, present: Tensors) -> Tensors:
        return module(inputs, present) if present else module(inputs)

    return run


def to_onnx(program: torch.export.ExportedProgram, model: AnyModel) -> bytes:
    """The program as an ONNX file. Its inputs are the modalities, and "present.{modality}" for optional ones; its
    outputs "fused" and, if the model has several heads, "head.{modality}"."""
    inputs, optional, outputs = _onnx_names(model)
    with quiet(*_EXPORTERS):
        converted = torch.onnx.export(
            program,
            input_names=[*inputs, *(f"present.{name}" for name in optional)],
            output_names=outputs,
            dynamo=True,
            verbose=False,
        )
    assert converted is not None
    proto = converted.model_proto
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del part.metadata_props[:]  # paths of this machine
    return proto.SerializeToString(deterministic=True)


def open_onnx(content: bytes, model: AnyModel) -> Run:
    """A function that runs an ONNX file in ONNX Runtime, on one thread of the CPU.

    Raises:
        ValueError: the names of its inputs or outputs differ from the model's.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs, optional, outputs = _onnx_names(model)
    for expected, actual in (
        ([*inputs, *(f"present.{name}" for name in optional)], [i.name for i in session.get_inputs()]),
        (outputs, [o.name for o in session.get_outputs()]),
    ):
        if set(expected) != set(actual):
            raise ValueError(f"the ONNX file has the inputs or outputs {actual}; expected {expected}")

    def run(values: Tensors, present: Tensors) -> Tensors:
        feed = {name: values[name].numpy() for name in inputs}
        feed |= {f"present.{name}": present[name].numpy() for name in optional}
        logits = session.run(outputs, feed)
        return {name.removeprefix("head."): torch.from_numpy(o) for name, o in zip(outputs, logits, strict=True)}

    return run


def batches(table: MultimodalTable, model: AnyModel, size: int) -> Iterator[tuple[Tensors, Tensors]]:
    """The table's first ``size`` rows (repeated if there are fewer) as a model's inputs and presence. Then, for each
    optional modality, the same rows without it in every other row."""
    rows = np.arange(size) % len(table)
    given = model.architecture.inputs
    inputs = {name: torch.from_numpy(np.array(table.arrays[name][rows])) for name in given}
    present = {
        name: torch.from_numpy(np.array(table.present.get(name, np.ones(len(table), bool))[rows]))
        for name, i in given.items()
        if i.optional
    }
    yield inputs, present
    for name in present:
        yield inputs, {**present, name: present[name] & (torch.arange(size) % 2 == 1)}


def largest_differences(model: AnyModel, run: Run, table: MultimodalTable, tolerance: float) -> dict[str, float]:
    """Batch size -> the largest absolute difference of any output from the model's, over ``batches`` of the table.

    Args:
        model: in eval mode, on the CPU.
        run: the form to compare.
        table: rows to run on.
        tolerance: the largest difference that is allowed; for outputs above 1, relative to the output.

    Raises:
        ValueError: a difference is larger, or not a number; the message names batch size and output.
    """
    differences = {}
    for size in CHECKED_BATCHES:
        largest = 0.0
        for inputs, present in batches(table, model, size):
            with torch.inference_mode():
                expected = model(inputs, present)
            for head, logits in run(inputs, present).items():
                difference = _difference(head, logits.double(), expected[head].double(), tolerance)
                largest = max(largest, difference)
        differences[str(size)] = largest
    return differences


def _difference(head: str, logits: Tensor, expected: Tensor, tolerance: float) -> float:
    difference = (logits - expected).abs()
    if not (difference <= tolerance * expected.abs().clamp(min=1)).all():
        raise ValueError(
            f"output {head!r} differs by {float(difference.max()):.3g} from the model's, with {len(logits)} examples; "
            f"at most {tolerance:g} is allowed (export.tolerance)"
        )
    return float(difference.max())


def _onnx_names(model: AnyModel) -> tuple[list[str], list[str], list[str]]:
    """Names of the inputs, of the optional inputs, and of the outputs, in the order of the graph."""
    given = model.architecture.inputs
    has_heads = len(given) > 1 and not isinstance(model, ReferenceModel)
    heads = [f"head.{name}" for name in given] if has_heads else []
    return list(given), [name for name, i in given.items() if i.optional], [FUSED, *heads]
