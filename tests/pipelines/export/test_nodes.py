"""The exported folder and the report of its forms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from export_samples import artefacts, record, report
from reference_samples import references

from mixmas_pipeline.models.cost import cost
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.ensemble import Ensemble, EnsembleConfig
from mixmas_pipeline.models.exported import ExportedModel
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.export import conversion, latency, nodes
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.plots import architecture
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.references import fit_reference


@pytest.fixture
def model(make_architecture: Callable) -> MultimodalMixer:
    return initialised(MultimodalMixer, 3, make_architecture()).eval()


def test_a_folder_holds_a_model_that_loads_and_answers_the_same(
    model: MultimodalMixer, make_table: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, rows = make_table(rows=6), make_table(rows=4)
    results = vars(artefacts(model.architecture))
    monkeypatch.setattr(architecture, "draw_architecture", lambda _: b"drawing")
    files = nodes.assemble(train, rows, {"model.pt2": b"program"}, report(), searched=model, **results)
    assert set(files) == {
        *("README.md", "architecture.json", "architecture.png", "config.json", "model.pt2", "model.safetensors"),
    }
    config = json.loads(files["config.json"])
    others = files.keys() - {"README.md", "config.json"}
    assert config["files"] == {name: hashlib.sha256(files[name]).hexdigest() for name in others}
    assert config["inputs"]["series"]["shape"] == [5, 3]
    assert b"| training | 6 |" in files["README.md"]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    inputs = {name: np.array(array) for name, array in rows.arrays.items()}
    answer = ExportedModel.from_pretrained(tmp_path)(inputs)["fused"]
    with torch.inference_mode():
        expected = model({name: torch.from_numpy(array) for name, array in inputs.items()})["fused"]
    assert torch.equal(answer, expected)


def test_the_report_counts_the_bytes_and_the_parameters(
    model: MultimodalMixer, make_table: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "convert", lambda *_: (b"program", latency.eager(model)))
    monkeypatch.setattr(latency, "measure_latency", lambda runs, *_: report().latency if len(runs) == 2 else ())
    programs, made = nodes.convert(make_table(rows=4), ExportParameters(formats=("torch_export",)), searched=model)
    assert programs == {"model.pt2": b"program"}
    assert made.files["model.pt2"] == 7
    assert made.parameters == sum(p.numel() for p in model.parameters())
    assert set(made.differences["torch_export"].values()) == {0.0}
    assert made.latency == report().latency


def test_an_ensemble_is_timed_beside_one_of_its_networks(
    model: MultimodalMixer, make_table: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EnsembleConfig(architecture=model.architecture, members=(model.architecture,) * 2, weights=(0.5, 0.5))
    ensemble = Ensemble(config, [model, initialised(MultimodalMixer, 4, model.architecture)]).eval()
    _, made = nodes.convert(make_table(rows=4), ExportParameters(formats=()), searched=ensemble)
    assert made.one_network == tuple(cost(model.architecture))
    assert (made.parameters, made.flops_per_example) == tuple(2 * n for n in made.one_network)
    assert {row.form for row in made.latency} == {"torch", "one network"}


def test_another_answer_names_the_file(
    model: MultimodalMixer, make_table: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    @torch.inference_mode()
    def double(inputs: conversion.Tensors, present: conversion.Tensors) -> conversion.Tensors:
        return {head: 2 * logits + 1 for head, logits in model(inputs, present).items()}

    monkeypatch.setattr(conversion, "convert", lambda *_: (b"program", double))
    with pytest.raises(ValueError, match=r"model\.pt2: output '\w+' differs by .* at most 0\.0001 is allowed"):
        nodes.convert(make_table(rows=4), ExportParameters(formats=("torch_export",)), searched=model)


def test_no_folder_is_made_of_results_of_another_model(
    model: MultimodalMixer, make_table: Callable, make_architecture: Callable
) -> None:
    results = vars(artefacts(make_architecture(function="max")))
    with pytest.raises(ValueError, match="another architecture than the model's"):
        nodes.assemble(make_table(rows=6), make_table(rows=4), {}, report(), searched=model, **results)


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_a_folder_of_a_reference_answers_as_the_reference_does(kind: Any, make_table: Callable, tmp_path: Path) -> None:
    """No architecture, no drawing, no heads, no thresholds."""
    train, rows = make_table(60, "multilabel"), make_table(9, "multilabel", seed=1)
    model = fit_reference(kind, train, ["image", "series"], 0)
    programs, made = nodes.convert(rows, ExportParameters(formats=("torch_export",)), **{kind: [model]})
    assert (made.model, made.parameters, made.flops_per_example) == (kind, model.architecture.size, None)
    assert set(made.files) == {"model.pt2", "model.safetensors", "reference.json"}
    assert set(made.differences["torch_export"].values()) == {0.0}
    frame = references((kind, "image + series", 0.75), (kind, "image", 0.5)).assign(rows_test=7)
    fitted = record(f"reference.{kind}_refitted")
    scored = record("references", inputs={fitted.dataset: fitted.content})
    inputs = {kind: [model], f"{kind}_record": fitted, "references": frame, "references_record": scored}
    files = nodes.assemble(train, rows, programs, made, **inputs)
    assert set(files) == {"README.md", "config.json", "model.pt2", "model.safetensors", "reference.json"}
    assert json.loads(files["config.json"])["thresholds"] == {}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    answer = ExportedModel.from_pretrained(tmp_path)({name: np.array(array) for name, array in rows.arrays.items()})
    assert list(answer) == ["fused"]
    np.testing.assert_array_equal(answer["fused"], compute_logits(model, rows, torch.device("cpu"))["fused"])
    other = record("references", inputs={fitted.dataset: "another fit"})
    with pytest.raises(
        ValueError, match=rf"newest references was made from another version of reference.{kind}_refitted"
    ):
        nodes.assemble(train, rows, programs, made, **{**inputs, "references_record": other})


def test_a_reference_of_one_modality_takes_only_that(make_table: Callable) -> None:
    train, rows = make_table(60), make_table(9, seed=1)
    model = fit_reference("linear", train, ["series"], 0)
    _, made = nodes.convert(rows, ExportParameters(formats=("torch_export",)), linear=[model])
    frame = references(("linear", "series", 0.5)).assign(rows_test=7)
    inputs = {"references": frame, "references_record": None, "linear_record": None}
    files = nodes.assemble(train, rows, {}, made, linear=[model], **inputs)
    assert list(json.loads(files["config.json"])["inputs"]) == ["series"]
