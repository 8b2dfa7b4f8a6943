"""The published M2-Mixer sizes, counted by hand, and how a preset becomes an architecture."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from block_cases import noise
from pydantic import ValidationError

from mixmas_pipeline.models.architecture import Architecture, Encoder, Input, Preset, Vector
from mixmas_pipeline.models.blocks.mlp import MLPParameters
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.models.presets import PRESETS, build, find

# --- Sizes, by hand: nothing here is read from the presets


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def norm(width: int) -> int:
    return 2 * width


def mixer(tokens: int, hidden: int, token_dim: int, channel_dim: int) -> int:
    token_mlp = linear(tokens, token_dim) + linear(token_dim, tokens)
    channel_mlp = linear(hidden, channel_dim) + linear(channel_dim, hidden)
    return norm(hidden) + token_mlp + norm(hidden) + channel_mlp


def avmnist(classes: int) -> int:
    """Both encoders see 2x2 patches, of 14x14 pixels of 28x28 and 56x56 of 112x112; 8 tokens are fused."""
    image = linear(14 * 14, 128) + 4 * mixer(4, 128, 32, 3072) + norm(128)
    audio = linear(56 * 56, 128) + 4 * mixer(4, 128, 32, 3072) + norm(128)
    fusion = 2 * mixer(8, 128, 32, 3078) + norm(128)
    return image + audio + fusion + 3 * linear(128, classes)


def mmimdb(classes: int, token_dim: int = 32) -> int:
    """Posters of 256x160 are 16x10 patches of 3x16x16 pixels; 160 and 512 tokens are fused."""
    image = linear(3 * 16 * 16, 256) + 4 * mixer(160, 256, token_dim, 3072) + norm(256)
    text = linear(768, 256) + 4 * mixer(512, 256, token_dim, 3072) + norm(256)
    fusion = 2 * mixer(672, 256, token_dim, 3072) + norm(256)
    return image + text + fusion + 3 * linear(256, classes)


def mimic(classes: int) -> int:
    """24 hours of 12 variables, and one token of 5 static features; 25 tokens are fused."""
    series = linear(12, 64) + mixer(24, 64, 16, 64) + norm(64)
    static = linear(5, 64) + 2 * linear(64, 64) + norm(64)
    fusion = mixer(25, 64, 16, 64) + norm(64)
    return series + static + fusion + 3 * linear(64, classes)


class Case(NamedTuple):
    """A preset with the data it is for."""

    preset: str
    task: str
    classes: int
    shapes: dict[str, tuple[int, ...]]
    parameters: int
    by_hand: Callable[[int], int]

    @property
    def inputs(self) -> dict[str, Input]:
        return {name: Input(shape=shape, mean=0.5, std=2.0) for name, shape in self.shapes.items()}

    def architecture(self, preset: Preset | None = None, inputs: dict[str, Input] | None = None) -> Architecture:
        classes = tuple(f"class {i}" for i in range(self.classes))
        return build(preset or PRESETS[self.preset], self.task, classes, inputs or self.inputs)


AVMNIST = {"image": (28, 28), "audio": (112, 112)}
MMIMDB = {"image": (3, 256, 160), "text": (512, 768)}
MIMIC = {"time_series": (24, 12), "static": (5,)}
CASES = {
    "avmnist": Case("m2_mixer_avmnist", "multiclass", 10, AVMNIST, 8_339_354, avmnist),
    "mmimdb": Case("m2_mixer_mmimdb", "multilabel", 23, MMIMDB, 16_447_557, mmimdb),
    "mimic_icd9": Case("m2_mixer_mimic", "multiclass", 2, MIMIC, 29_111, mimic),
    "mimic_mortality": Case("m2_mixer_mimic", "multiclass", 6, MIMIC, 29_891, mimic),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def size(architecture: Architecture) -> int:
    """Of the model itself, without its memory."""
    with torch.device("meta"):
        return sum(p.numel() for p in MultimodalMixer(architecture).parameters())


def test_every_preset_has_a_case() -> None:
    assert {case.preset for case in CASES.values()} == set(PRESETS)


@each_case
def test_size_is_that_of_a_count_by_hand(case: Case) -> None:
    assert case.by_hand(case.classes) == case.parameters
    assert size(case.architecture()) == case.parameters


@pytest.mark.parametrize(("case", "published"), [("avmnist", 8.3), ("mimic_icd9", 0.029)])
def test_published_sizes_are_reached(case: str, published: float) -> None:
    digits = len(str(published).partition(".")[2])
    assert round(CASES[case].parameters / 1e6, digits) == published


def test_published_size_of_mmimdb_needs_wider_token_mixing() -> None:
    """16.7 M in the paper: reached with a token width of 64 instead of 32, everywhere."""
    case = CASES["mmimdb"]
    raw = PRESETS[case.preset].model_dump()
    for holder in (*raw["encoders"].values(), raw["fusion"]["network"]):
        assert holder["block"]["token_dim"] == 32
        holder["block"]["token_dim"] = 64
    wider = size(case.architecture(Preset.model_validate(raw)))
    assert wider == mmimdb(23, token_dim=64)
    assert round(case.parameters / 1e6, 1) == 16.4
    assert round(wider / 1e6, 1) == 16.7


def test_published_m2_mixer_is_built_at_once() -> None:
    """The published code took 25 s to build position tables."""
    architecture = CASES["avmnist"].architecture()
    start = time.perf_counter()
    model = initialised(MultimodalMixer, 0, architecture)
    assert time.perf_counter() - start < 2  # 0.1 s on an idle machine
    assert sum(p.numel() for p in model.parameters()) == 8_339_354


@each_case
def test_model_of_a_preset_runs_and_gradients_reach_every_parameter(case: Case) -> None:
    model = initialised(MultimodalMixer, 0, case.architecture())
    logits = model({name: noise(2, *shape) for name, shape in case.shapes.items()})
    assert list(logits) == [FUSED, *case.shapes]
    assert all(head.shape == (2, case.classes) for head in logits.values())
    sum(head.square().sum() for head in logits.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_model_with_a_vector_exports_for_any_batch() -> None:
    case = CASES["mimic_icd9"]
    model = initialised(MultimodalMixer, 0, case.architecture()).eval()
    few, many = ({name: noise(rows, *shape) for name, shape in MIMIC.items()} for rows in (2, 5))
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (few,), dynamic_shapes=({name: {0: batch} for name in MIMIC},))
    for name, logits in program.module()(many).items():
        torch.testing.assert_close(logits, model(many)[name])


# --- From a preset to an architecture


@each_case
def test_the_data_says_task_classes_and_inputs(case: Case) -> None:
    architecture = case.architecture()
    assert architecture.task == case.task
    assert architecture.classes == tuple(f"class {i}" for i in range(case.classes))
    assert architecture.inputs == case.inputs
    preset = PRESETS[case.preset].checked()
    assert architecture.encoders == preset.encoders
    assert architecture.fusion == preset.fusion


@each_case
def test_modalities_follow_the_order_of_the_inputs(case: Case) -> None:
    preset = PRESETS[case.preset]
    backwards = preset.model_copy(update={"encoders": dict(reversed(preset.encoders.items()))})
    assert list(backwards.encoders) != list(preset.encoders)
    for inputs in (case.inputs, dict(reversed(case.inputs.items()))):
        for named in (preset, backwards):
            architecture = case.architecture(named, inputs)
            assert list(architecture.inputs) == list(architecture.encoders) == list(inputs)
            assert architecture.encoders == preset.checked().encoders
            assert size(architecture) == case.parameters


@each_case
@pytest.mark.parametrize("change", ["missing", "more", "renamed"])
def test_other_modalities_are_refused(case: Case, change: str) -> None:
    inputs = case.inputs
    first, second = inputs
    if change in ("missing", "renamed"):
        moved = inputs.pop(second)
    if change in ("more", "renamed"):
        inputs["video"] = moved if change == "renamed" else inputs[first]
    message = f"the preset has encoders of {sorted([first, second])}; the data has {sorted(inputs)}"
    with pytest.raises(ValueError, match=re.escape(message)):
        case.architecture(inputs=inputs)


@pytest.mark.parametrize(
    ("case", "modality", "shape", "message"),
    [
        ("avmnist", "image", (32, 28), "'image': patch 14x14 does not divide 32x28"),
        ("mmimdb", "text", (768,), "'text' has shape (768,); a projection expects"),
        ("mimic_icd9", "static", (24, 5), "'static' has shape (24, 5); a vector expects"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(case: str, modality: str, shape: tuple[int, ...], message: str) -> None:
    inputs = {**CASES[case].inputs, modality: Input(shape=shape, mean=0.0, std=1.0)}
    with pytest.raises(ValueError, match=re.escape(message)):
        CASES[case].architecture(inputs=inputs)


def one_modality() -> Preset:
    encoder = Encoder(tokeniser=Vector(), hidden_dim=4, depth=1, block=MLPParameters())
    return Preset(encoders={"static": encoder})


def test_one_modality_needs_no_fusion() -> None:
    architecture = build(one_modality(), "multiclass", ("a", "b"), {"static": Input(shape=(3,), mean=0.0, std=1.0)})
    assert architecture.fusion is None
    assert size(architecture) == linear(3, 4) + linear(4, 4) + norm(4) + linear(4, 2)


@each_case
def test_two_modalities_need_one(case: Case) -> None:
    with pytest.raises(ValueError, match="2 modalities need a fusion"):
        case.architecture(PRESETS[case.preset].model_copy(update={"fusion": None}))


# --- Names and files


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_found_by_name(name: str) -> None:
    assert find(name) is PRESETS[name]


@pytest.mark.parametrize("name", ["m2_mixer", "M2_MIXER_AVMNIST", ""])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown preset '{name}'") as error:
        find(name)
    for known in ("m2_mixer_avmnist", "m2_mixer_mmimdb", "m2_mixer_mimic"):
        assert known in str(error.value)


@each_case
def test_a_preset_survives_json(case: Case) -> None:
    preset = PRESETS[case.preset].checked()
    again = Preset.model_validate_json(preset.model_dump_json())
    assert again == preset
    assert list(again.encoders) == list(preset.encoders)
    assert Preset.model_validate(json.loads(preset.model_dump_json())) == preset
    architecture = case.architecture(again)
    assert Architecture.model_validate_json(architecture.model_dump_json()) == architecture == case.architecture()


@pytest.mark.parametrize("place", [(), ("encoders", "image"), ("fusion",), ("fusion", "network")])
def test_a_typo_in_a_preset_is_named(place: tuple[str, ...]) -> None:
    raw: dict[str, Any] = PRESETS["m2_mixer_avmnist"].model_dump()
    holder = raw
    for key in place:
        holder = holder[key]
    holder["typo"] = 1
    with pytest.raises(ValidationError, match="typo"):
        Preset.model_validate(raw)


def test_a_preset_without_encoders_is_refused() -> None:
    with pytest.raises(ValidationError, match="encoders"):
        Preset(encoders={})
