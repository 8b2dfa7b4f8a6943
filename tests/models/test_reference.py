"""Features of a reference against numpy; what is saved is loaded; it runs as an exported program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from planted import planted

from mixmas_pipeline.data.schema import StoredInput
from mixmas_pipeline.models.reference import MOST_FEATURES, Features, ReferenceModel, Summary, standardised
from mixmas_pipeline.training.references import fit_reference

RNG = np.random.default_rng(0)
ALL = ("photo", "sound", "notes", "pulse", "facts", "graph")


def stored(kind: str, shape: tuple[int, ...], **more: bool) -> StoredInput:
    return StoredInput(kind=kind, shape=shape, dtype="float32", **more)


def computed(summary: Summary, x: np.ndarray, present: np.ndarray | None = None) -> np.ndarray:
    has = {} if present is None else {"a": torch.from_numpy(present)}
    return Features({"a": summary})({"a": torch.from_numpy(x)}, has).numpy()


@pytest.mark.parametrize(
    ("kind", "shape", "way", "grid", "features"),
    [
        ("image", (28, 28), "grid", (14, 14), 196),
        ("image", (3, 64, 64), "grid", (16, 16), 768),
        ("audio", (112, 112), "grid", (28, 28), 784),
        ("image", (8, 8), "grid", (8, 8), 64),
        ("text", (16, 384), "mean", None, 384),
        ("time_series", (4, 8), "all_steps", None, 56),
        ("time_series", (40, 8), "steps", None, 24),
        ("time_series", (1, 250), "steps", None, 750),
        ("embedding", (50,), "values", None, 50),
    ],
)
def test_kind_and_shape_decide_the_summary(
    kind: str, shape: tuple[int, ...], way: str, grid: tuple[int, int] | None, features: int
) -> None:
    summary = Summary.of(stored(kind, shape))
    assert (summary.way, summary.grid, summary.features) == (way, grid, features)


@pytest.mark.parametrize("shape", [(3, 224, 224), (600, 400), (1, 30, 5000), (12, 100, 100)])
def test_large_pictures_have_a_bounded_number_of_features(shape: tuple[int, ...]) -> None:
    assert 0 < Summary.of(stored("image", shape)).features <= MOST_FEATURES


def test_fields_are_those_of_adaptive_pooling() -> None:
    x = RNG.integers(0, 256, (5, 3, 37, 50), dtype=np.uint8)
    summary = Summary.of(stored("image", (3, 37, 50)))
    assert summary.grid is not None
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(x).float(), summary.grid).flatten(1)
    np.testing.assert_allclose(computed(summary, x), expected, rtol=1e-5)


def test_a_short_series_has_its_values_too() -> None:
    x = RNG.normal(size=(4, 6, 2)).astype(np.float32)
    found = computed(Summary.of(stored("time_series", (6, 2))), x)
    expected = [np.concatenate([s.mean(0), s[-1], s.std(0), s.reshape(-1)]) for s in x]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert Summary.of(stored("time_series", (6, 2), padded=True)).way == "steps"


def test_steps_leave_padding_out() -> None:
    x = RNG.normal(size=(4, 6, 2)).astype(np.float32)
    lengths = [6, 3, 1, 0]
    for row, length in enumerate(lengths):
        x[row, length:] = 0
    found = computed(Summary.of(stored("time_series", (6, 2), padded=True)), x)
    for row, length in enumerate(lengths[:3]):
        steps = x[row, :length]
        np.testing.assert_allclose(found[row], np.concatenate([steps.mean(0), steps[-1], steps.std(0)]), atol=1e-6)
    np.testing.assert_array_equal(found[3], 0)


def test_a_missing_modality_has_the_fill_and_a_flag() -> None:
    x = RNG.normal(size=(3, 2)).astype(np.float32)
    inputs = {"a": Summary.of(stored("tabular", (2,), optional=True))}
    features = Features(inputs, torch.tensor([1]), torch.tensor([7.0]))
    found = features({"a": torch.from_numpy(x)}, {"a": torch.tensor([True, False, True])}).numpy()
    np.testing.assert_array_equal(found, [[x[0, 1], 1], [7, 0], [x[2, 1], 1]])
    np.testing.assert_array_equal(features({"a": torch.from_numpy(x)}).numpy()[:, 1], 1)


def test_outliers_are_limited_and_the_order_stays() -> None:
    x = standardised(torch.tensor([[-1e6], [-1.0], [0.0], [1.0], [1e6]]), torch.zeros(1), torch.ones(1))[:, 0]
    assert x.abs().max() <= 5.0001
    assert (x.diff() > 0).all()
    assert x[3] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("kind", ["linear", "trees"])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_loaded_reference_computes_the_same(kind: str, task: str, tmp_path: Path) -> None:
    table = planted(task, ("photo", "facts"), 80, 0, missing={"facts": 0.3})
    model = fit_reference(kind, table, ("photo", "facts"), 0)  # type: ignore[arg-type]
    model.save_pretrained(tmp_path / "model")
    loaded = ReferenceModel.from_pretrained(tmp_path / "model")
    assert loaded.architecture == model.architecture
    assert not loaded.training
    assert {file.name for file in (tmp_path / "model").iterdir()} == {"model.safetensors", "reference.json"}
    inputs = {name: torch.from_numpy(array) for name, array in table.arrays.items()}
    present = {name: torch.from_numpy(mask) for name, mask in table.present.items()}
    torch.testing.assert_close(loaded(inputs, present)["fused"], model(inputs, present)["fused"], rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_an_exported_program_computes_the_same(kind: str) -> None:
    table = planted("multiclass", ALL, 80, 0)
    model = fit_reference(kind, table, ALL, 0)  # type: ignore[arg-type]
    inputs = {name: torch.from_numpy(array) for name, array in table.arrays.items()}
    rows = torch.export.Dim("rows", min=2)
    program = torch.export.export(model, (inputs,), dynamic_shapes=({name: {0: rows} for name in inputs},))
    part = {name: tensor[:33] for name, tensor in inputs.items()}
    torch.testing.assert_close(program.module()(part)["fused"], model(part)["fused"])
