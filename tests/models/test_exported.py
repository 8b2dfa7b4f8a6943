"""A folder as the export writes it: it loads without Kedro, and says what is wrong with it or with what it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.exported import CONFIG_FILE, ExportedConfig, ExportedModel, digest, pretrained_files
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.models.reference import Reference, ReferenceModel, Summary

KINDS = {
    "image": {"kind": "image", "shape": (6, 6), "dtype": "uint8"},
    "series": {"kind": "time_series", "shape": (5, 3), "dtype": "float32", "optional": True},
}


@pytest.fixture
def model(build: Callable[..., Architecture]) -> MultimodalMixer:
    architecture = build()
    series = architecture.inputs["series"].model_copy(update={"optional": True})
    inputs = {**architecture.inputs, "series": series}
    return initialised(MultimodalMixer, 3, architecture.model_copy(update={"inputs": inputs})).eval()


@pytest.fixture
def folder(model: MultimodalMixer, tmp_path: Path) -> Path:
    files = pretrained_files(model)
    config = ExportedConfig.model_validate(
        {
            "version": "0.1.0",
            "task": "multiclass",
            "classes": ("a", "b", "c"),
            "inputs": KINDS,
            "files": {name: digest(content) for name, content in files.items()},
        }
    )
    files[CONFIG_FILE] = config.model_dump_json().encode()
    target = tmp_path / "exported"
    target.mkdir()
    for name, content in files.items():
        (target / name).write_bytes(content)
    return target


def rows(count: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (count, 6, 6)).astype(np.uint8)
    return {"image": image, "series": rng.normal(size=(count, 5, 3)).astype(np.float32)}


def test_it_answers_as_the_model_does(folder: Path, model: MultimodalMixer) -> None:
    exported = ExportedModel.from_pretrained(folder)
    inputs = {name: torch.from_numpy(array) for name, array in rows().items()}
    there = torch.tensor([True, False, True, False])
    for given in (rows(), inputs):
        for present in ({}, {"series": there}):
            found = exported(given, present)
            with torch.inference_mode():
                wanted = model(inputs, present)
            assert list(found) == ["fused", "image", "series"]
            assert all(torch.equal(found[head], wanted[head]) for head in wanted)
    alone = exported({"image": inputs["image"]})["fused"]
    lacking = exported(inputs, {"series": torch.zeros(4, dtype=torch.bool)})["fused"]
    assert torch.equal(alone, lacking)
    assert not torch.equal(alone, exported(inputs)["fused"])


@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.0)])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_probabilities_are_those_of_the_predictions(
    folder: Path, model: MultimodalMixer, task: str, weights: tuple[float, ...] | None
) -> None:
    config = ExportedModel.from_pretrained(folder).config
    exported = ExportedModel(model, config.model_copy(update={"task": task, "decision_weights": weights}))
    logits = exported(rows())["fused"]
    wanted = task_of(task).probabilities(logits.numpy(), weights)
    np.testing.assert_allclose(exported.probabilities(logits).numpy(), wanted, rtol=1e-5)


def test_a_regression_has_no_probabilities(folder: Path, model: MultimodalMixer) -> None:
    config = ExportedModel.from_pretrained(folder).config
    exported = ExportedModel(model, config.model_copy(update={"task": "regression"}))
    with pytest.raises(ValueError, match="a regression has no probabilities"):
        exported.probabilities(torch.zeros(1, 1))


def test_a_reference_is_read_by_its_own_description(tmp_path: Path) -> None:
    """A linear model with known weights: y = 3 + 2 times the sum of the features, each softly limited to 5."""
    description = Reference(
        kind="linear",
        task="regression",
        classes=("y",),
        inputs={"facts": Summary(shape=(2,), way="values")},
        rows=9,
        features=2,
        size=3,
    )
    tensors = {"features.keep": torch.arange(2), "features.fill": torch.zeros(2), "scores.weight": torch.ones(2, 1)}
    tensors |= {"scores.mean": torch.zeros(2), "scores.std": torch.ones(2), "scores.bias": torch.zeros(1)}
    tensors |= {"scale": torch.tensor([2.0]), "offset": torch.tensor([3.0]), "absent": torch.tensor([False])}
    files = pretrained_files(ReferenceModel(description, tensors))
    assert set(files) == {"model.safetensors", "reference.json"}
    stored = {"kind": "tabular", "shape": (2,), "dtype": "float32"}
    config = {"version": "1", "task": "regression", "classes": ("y",), "inputs": {"facts": stored}}
    config["files"] = {name: digest(content) for name, content in files.items()}
    files[CONFIG_FILE] = ExportedConfig.model_validate(config).model_dump_json().encode()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = ExportedModel.from_pretrained(tmp_path)({"facts": np.array([[0.0, 0.0], [5.0, -5.0], [5.0, 0.0]], "f4")})
    assert list(found) == ["fused"]
    assert found["fused"].flatten().tolist() == pytest.approx([3, 3, 3 + 2 * 5 / 2**0.5])
    (tmp_path / "reference.json").write_text("{}")
    with pytest.raises(ValueError, match=r"reference\.json is not the file that was exported"):
        ExportedModel.from_pretrained(tmp_path)


def test_the_older_way_of_loading_reads_it_too(folder: Path, model: MultimodalMixer) -> None:
    loaded = MultimodalMixer.from_pretrained(folder)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))


def test_kedro_is_not_needed(folder: Path) -> None:
    code = f"""
import sys
class Blocked:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in ("kedro", "kedro_datasets", "pandas", "pytorch_lightning"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import numpy as np
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.exported import ExportedModel
model = ExportedModel.from_pretrained({str(folder)!r})
print(model({{"image": np.zeros((2, 6, 6), np.uint8)}})["fused"].shape, "kedro" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "torch.Size([2, 3]) False\n", done.stderr


@pytest.mark.parametrize(
    ("change", "present", "message"),
    [
        (
            {"image": np.zeros((4, 6, 5), np.uint8)},
            {},
            r"input 'image' is uint8 \(4, 6, 5\); expected uint8 \(4, 6, 6\)",
        ),
        ({"image": np.zeros((4, 6, 6))}, {}, r"'image' is float64 \(4, 6, 6\); expected uint8 \(4, 6, 6\)"),
        ({"image": np.zeros((6, 6), np.uint8)}, {}, r"'image' is uint8 \(6, 6\); expected uint8 \(6, 6, 6\)"),
        ({"image": np.uint8(3)}, {}, r"'image' is uint8 \(\); expected uint8 \(4, 6, 6\)"),
        ({"series": np.zeros((3, 5, 3), np.float32)}, {}, r"'series' is float32 \(3, 5, 3\); .* \(4, 5, 3\)"),
        ({"series": np.full((4, 5, 3), np.nan, np.float32)}, {}, r"'series', row 0: NaN or infinity"),
        ({"serie": np.zeros(4)}, {}, r"inputs name 'serie': expected one of image, series; did you mean series\?"),
        ({}, {"image": np.ones(4, bool)}, r"present name 'image': expected one of series"),
        ({}, {"series": np.ones(4)}, r"present of 'series' is float64 \(4\); expected bool \(4,\)"),
        ({}, {"series": np.ones(3, bool)}, r"present of 'series' is bool \(3\); expected bool \(4,\)"),
        ({"image": None}, {}, r"inputs lack 'image'; expected uint8 \(batch, 6, 6\)"),
        ({"series": None}, {"series": np.ones(4, bool)}, r"present says that examples have 'series', and inputs lack"),
    ],
)
def test_wrong_inputs_are_named(folder: Path, change: dict, present: dict, message: str) -> None:
    inputs = {name: array for name, array in {**rows(), **change}.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        ExportedModel.from_pretrained(folder)(inputs, present)


@pytest.mark.parametrize("name", ["config.json", "architecture.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing; expected a folder that the pipeline export wrote"):
        ExportedModel.from_pretrained(folder)


@pytest.mark.parametrize("name", ["architecture.json", "model.safetensors"])
def test_an_altered_file_is_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(ValueError, match=f"{name} is not the file that was exported: its SHA-256 is"):
        ExportedModel.from_pretrained(folder)


def test_a_damaged_config_is_named(folder: Path) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**config, "task": "translation"}))
    with pytest.raises(ValueError, match=r"config.json is not what the pipeline export writes: [^$]*multilabel"):
        ExportedModel.from_pretrained(folder)
    (folder / CONFIG_FILE).write_text("{")
    with pytest.raises(ValueError, match=r"config.json is not what the pipeline export writes"):
        ExportedModel.from_pretrained(folder)
