"""Every block, fusion function, tokeniser, task, stored type, with padding and missing modalities, in every format."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from block_cases import BLOCKS
from torch import Tensor

from mixmas_pipeline.data.table import TASKS, Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import FUSION_FUNCTIONS, Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.ensemble import Ensemble, EnsembleConfig
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.export import conversion
from mixmas_pipeline.training.references import fit_reference

pytest.importorskip("onnxruntime", reason="the extra export is not installed")

TOLERANCE = 1e-4
# Tokeniser and, for each, the shape of an example and the stored type. On all but "vector" RaMLP has its grid.
MODALITIES: dict[str, tuple[dict[str, Any], tuple[int, ...], str]] = {
    "grey": ({"type": "patches", "patch": 3}, (6, 9), "uint8"),
    "colour": ({"type": "patches", "patch": [2, 3]}, (3, 4, 6), "int16"),
    "words": ({"type": "projection"}, (5, 4), "float16"),
    "series": ({"type": "values"}, (3, 4), "float32"),
    "static": ({"type": "vector"}, (7,), "float64"),
    "readings": ({"type": "vector", "clip": 2, "frequencies": 3}, (5,), "float32"),
    "facts": ({"type": "values"}, (6,), "int64"),
}
ON_GRID = ("grey", "colour", "series")
# Each block, and with it what else there is to choose: so every choice is taken, in as few conversions as that needs.
# block -> modalities, fusion function, task, padded, optional.
CASES: dict[str, tuple[tuple[str, ...], str | None, str, tuple[str, ...], tuple[str, ...]]] = {
    "mlp_mixer": (("grey", "words"), "concat", "multilabel", ("words",), ("grey", "words")),
    "hyper_mixer": (("words", "facts"), "max", "binary", ("words",), ("words",)),
    "hyper_mixer_tied": (("static", "grey"), "mean", "multiclass", (), ("static", "grey")),
    "ramlp": (("colour", "series"), "sum", "regression", (), ()),
    "monarch_mixer": (("words", "static"), "gated", "regression", ("words",), ("static",)),
    "linear": (("grey", "words", "facts"), "late", "binary", ("words",), ("words", "facts")),
    "real_mlp": (("readings",), None, "regression", (), ()),
    "mlp": (("facts",), None, "multiclass", (), ()),
}


def test_every_choice_is_tried() -> None:
    assert list(CASES) == list(BLOCKS)
    modalities, functions, tasks, _, _ = zip(*CASES.values(), strict=True)
    assert set(MODALITIES) == set().union(*modalities)
    assert set(FUSION_FUNCTIONS) == set(functions) - {None}
    assert set(TASKS) == set(tasks)
    assert {t["type"] for t, _, _ in MODALITIES.values()} == {"patches", "projection", "vector", "values"}


def architecture(block: str) -> Architecture:
    names, function, task, padded, optional = CASES[block]
    own = BLOCKS[block].model_dump()
    classes = ("no", "yes") if task == "binary" else ("a", "b", "c")
    inputs, encoders = {}, {}
    for width, name in enumerate(names, start=8):
        tokeniser, shape, _ = MODALITIES[name]
        statistics: Any = (0.5,) * 3 if len(shape) == 3 else 0.5
        inputs[name] = {"shape": shape, "mean": statistics, "std": statistics}
        inputs[name] |= {"padded": name in padded, "optional": name in optional}
        encoders[name] = {"tokeniser": tokeniser, "hidden_dim": width, "depth": 1, "block": own}
    network = BLOCKS["mlp_mixer"].model_dump() if block == "ramlp" else own
    return Architecture.model_validate(
        {
            "task": task,
            "classes": classes,
            "inputs": inputs,
            "encoders": encoders,
            "fusion": {"function": function, "network": {"depth": 1, "block": network}} if function else None,
            "targets": {"mean": (1.0, 20.0, -3.0), "std": (1.0, 5.0, 0.1)} if task == "regression" else None,
        }
    )


def model_of(block: str) -> MultimodalMixer:
    return initialised(MultimodalMixer, 5, architecture(block)).eval()


def table_of(block: str, rows: int = 40) -> MultimodalTable:
    names, _, task, padded, optional = CASES[block]
    rng = np.random.default_rng(4)
    arrays, modalities, present = {}, {}, {}
    for number, name in enumerate(names):
        _, shape, dtype = MODALITIES[name]
        array = (rng.normal(size=(rows, *shape)) * 3 + 4).clip(0.1 if dtype.startswith("f") else 1).astype(dtype)
        if name in padded:
            array[::3, -2:] = 0
        if name in optional:
            present[name] = np.arange(rows) % 4 != number
            array[~present[name]] = 0
        arrays[name] = array
        modalities[name] = Modality("embedding", shape, dtype, padded=name in padded, optional=name in optional)
    classes = architecture(block).classes
    labels = {
        "regression": rng.normal(size=(rows, 3)),
        "multilabel": rng.integers(0, 2, (rows, len(classes))),
    }.get(task, rng.integers(0, len(classes), rows))
    schema = TableSchema(modalities, task, classes)  # type: ignore[arg-type]
    return MultimodalTable(schema, arrays, labels, [str(i) for i in range(rows)], present=present)


@pytest.mark.parametrize("block", CASES)
def test_every_format_gives_what_the_model_gives(block: str) -> None:
    model, table = model_of(block), table_of(block)
    dtypes = {name: modality.dtype for name, modality in table.schema.modalities.items()}
    optional = CASES[block][4]
    program = conversion.trace(model, dtypes)
    pt2, onnx = conversion.to_pt2(program), conversion.to_onnx(program, model)
    for content in (pt2, onnx):
        assert b"src/mixmas_pipeline" not in content, "no path of the machine that wrote it"
    run, ort = conversion.open_pt2(pt2), conversion.open_onnx(onnx, model)
    exact = conversion.largest_differences(model, run, table, TOLERANCE)
    assert list(exact) == ["1", "2", "7", "33"]
    assert set(exact.values()) == {0.0}, "the same operations, so the same bits"
    assert max(conversion.largest_differences(model, ort, table, TOLERANCE).values()) < TOLERANCE
    inputs, present = next(conversion.batches(table, model, 5))
    assert set(present) == set(optional)
    with torch.inference_mode():
        wanted = model(inputs, present)
    said = ort(inputs, present)
    assert list(said) == (list(wanted) if len(table.arrays) > 1 else ["fused"])
    assert all(said[head].shape == wanted[head].shape for head in said)


@pytest.mark.parametrize("block", ["mlp_mixer", "linear", "ramlp"])  # of a multilabel, a binary and a regression task
def test_an_ensemble_with_references_is_exported(block: str) -> None:
    table = table_of(block)
    networks = [initialised(MultimodalMixer, seed, architecture(block)).eval() for seed in range(2)]
    references = [fit_reference(kind, table, list(table.schema.modalities), 0) for kind in ("linear", "trees")]
    members = (*networks, *references)
    built = networks[0].architecture
    decision = None if built.task == "regression" else (1.0, 7.0, 0.3)[: len(built.classes)]
    config = EnsembleConfig(
        architecture=built,
        members=tuple(member.architecture for member in members),
        weights=(0.4, 0.0, 0.25, 0.25),
        head_weights={next(iter(built.inputs)): 0.1},
        decision_weights=decision,
    )
    model = Ensemble(config, members).eval()
    program = conversion.trace(model, {name: modality.dtype for name, modality in table.schema.modalities.items()})
    run = conversion.open_pt2(conversion.to_pt2(program))
    ort = conversion.open_onnx(conversion.to_onnx(program, model), model)
    assert set(conversion.largest_differences(model, run, table, TOLERANCE).values()) == {0.0}
    assert max(conversion.largest_differences(model, ort, table, TOLERANCE).values()) < TOLERANCE


# The ensembles above have both kinds on each of these tables.
@pytest.mark.parametrize(
    ("kind", "block"),
    [("linear", "mlp_mixer"), ("linear", "facts"), ("trees", "linear"), ("trees", "ramlp"), ("trees", "facts")],
)
def test_a_reference_alone_is_exported(kind: Any, block: str) -> None:
    """Of three tasks, with padding and optional modalities; "facts" reads one of the table's modalities."""
    table, alone = table_of("linear" if block == "facts" else block), block == "facts"
    model = fit_reference(kind, table, ["facts"] if alone else list(table.schema.modalities), 0)
    program = conversion.trace(model, {name: modality.dtype for name, modality in table.schema.modalities.items()})
    run = conversion.open_pt2(conversion.to_pt2(program))
    ort = conversion.open_onnx(conversion.to_onnx(program, model), model)
    assert set(conversion.largest_differences(model, run, table, TOLERANCE).values()) == {0.0}
    assert max(conversion.largest_differences(model, ort, table, TOLERANCE).values()) < TOLERANCE
    inputs, present = next(conversion.batches(table, model, 3))
    assert list(inputs) == list(model.architecture.inputs)
    assert list(ort(inputs, present)) == ["fused"]


def test_batches_are_the_tables_rows_and_leave_out_what_may_be() -> None:
    model, table = model_of("mlp_mixer"), table_of("mlp_mixer", rows=5)
    found = list(conversion.batches(table, model, 7))
    assert len(found) == 3
    assert np.array_equal(found[0][0]["grey"], table.arrays["grey"][[0, 1, 2, 3, 4, 0, 1]])
    own = table.present["words"][[0, 1, 2, 3, 4, 0, 1]]
    assert np.array_equal(found[0][1]["words"], own)
    assert np.array_equal(found[2][1]["words"], own & [False, True, False, True, False, True, False])
    assert np.array_equal(found[2][1]["grey"], found[0][1]["grey"])


@pytest.mark.parametrize("wrong", [1e-3, math.nan])
def test_another_answer_is_refused(wrong: float) -> None:
    model, table = model_of("mlp"), table_of("mlp")

    def run(inputs: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        said = {head: logits.clone() for head, logits in model(inputs, present).items()}
        if len(said["fused"]) == 7:
            said["fused"][6, 1] += wrong
        return said

    with torch.inference_mode(), pytest.raises(ValueError, match=r"'fused' differs by (0.001|nan) .* with 7 examples"):
        conversion.largest_differences(model, run, table, TOLERANCE)


def test_a_format_without_its_packages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else name)
    conversion.check_installed(["torch_export"])
    with pytest.raises(ModuleNotFoundError, match=r"onnx needs onnxscript: pip install 'mixmas_pipeline\[export\]'"):
        conversion.check_installed(["torch_export", "onnx"])
