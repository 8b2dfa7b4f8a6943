"""What cannot be written down as an architecture, and that the message says why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from block_cases import BLOCKS, MIXING
from pydantic import TypeAdapter, ValidationError

from mixmas_pipeline.models.architecture import (
    Architecture,
    Encoder,
    Patches,
    Projection,
    Tokeniser,
    Values,
    Vector,
    token_grid,
)
from mixmas_pipeline.models.block_reader import Block, UncheckedBlock, parameters_class
from mixmas_pipeline.models.blocks import BLOCKS as BLOCKS_BY_NAME
from mixmas_pipeline.models.blocks.mlp import MLPParameters
from mixmas_pipeline.models.blocks.mlp_mixer import MLPMixerParameters

Build = Callable[..., Architecture]
WITHOUT_WIDTH = ("linear", "real_mlp", "mlp")
KNOWN = ["mlp_mixer", "hyper_mixer", "ramlp", "monarch_mixer", "linear", "real_mlp", "mlp"]


def least(block: str) -> dict[str, Any]:
    """All that must be said of a block."""
    return {"block": block} if block in WITHOUT_WIDTH else {"block": block, "channel_dim": 8}


@pytest.fixture
def raw(build: Build) -> dict[str, Any]:
    return build().model_dump()


def test_a_valid_one_survives_json(build: Build, raw: dict[str, Any]) -> None:
    architecture = build(image="ramlp", series="monarch_mixer")
    assert Architecture.model_validate_json(architecture.model_dump_json()) == architecture
    assert Architecture.model_validate(raw) == build()


@pytest.mark.parametrize("place", ["encoder", "network"])
def test_an_unknown_block_is_refused_with_the_known_ones(raw: dict[str, Any], place: str) -> None:
    holder = raw["encoders"]["image"] if place == "encoder" else raw["fusion"]["network"]
    holder["block"] = {"block": "mlp_mixr", "channel_dim": 8}
    with pytest.raises(ValidationError) as error:
        Architecture.model_validate(raw)
    message = str(error.value)
    assert "mlp_mixr" in message
    assert all(name in message for name in KNOWN)


def test_the_registry_knows_each_block_by_its_name() -> None:
    assert list(BLOCKS_BY_NAME) == KNOWN
    assert [parameters_class(name).model_fields["block"].default for name in KNOWN] == KNOWN


def test_an_unchecked_block_makes_no_architecture(build: Build, raw: dict[str, Any]) -> None:
    architecture = build()
    block = UncheckedBlock.model_validate(raw["encoders"]["image"]["block"])
    encoders = {
        **architecture.encoders,
        "image": architecture.encoders["image"].model_copy(update={"block": block}),
    }
    parts = {name: getattr(architecture, name) for name in type(architecture).model_fields}
    with pytest.raises(ValidationError, match="hyperparameters of the block mlp_mixer are not checked"):
        Architecture(**{**parts, "encoders": encoders})


def test_keys_of_a_block_keep_their_order_in_a_file(build: Build) -> None:
    """Files that were written before are read and written again as the same bytes."""
    block = '"block":{"dropout":0.0,"channel_dim":8,"block":"mlp_mixer","token_dim":32}'
    encoder = MLPMixerParameters(channel_dim=8)
    architecture = build()
    image = architecture.encoders["image"].model_copy(update={"block": encoder})
    assert block in image.model_dump_json()


@pytest.mark.parametrize("block", KNOWN)
def test_a_misspelt_hyperparameter_is_named(block: str) -> None:
    with pytest.raises(ValidationError, match=r"chanel_dim\n.*not permitted"):
        TypeAdapter(Block).validate_python({**least(block), "chanel_dim": 8})


@pytest.mark.parametrize(
    ("block", "other"),
    [
        ("mlp_mixer", "tied"),
        ("hyper_mixer", "blocks"),
        ("ramlp", "token_dim"),
        ("monarch_mixer", "kernel"),
        ("mlp", "channel_dim"),
    ],
)
def test_a_hyperparameter_of_another_block_is_named(block: str, other: str) -> None:
    with pytest.raises(ValidationError, match=rf"{other}\n.*not permitted"):
        TypeAdapter(Block).validate_python({**least(block), other: 1})


@pytest.mark.parametrize(
    ("block", "name", "value"),
    [
        ("mlp_mixer", "channel_dim", 0),
        ("mlp_mixer", "token_dim", -1),
        ("hyper_mixer", "dropout", 1.0),
        ("ramlp", "kernel", 4),
        ("ramlp", "regions", 0),
        ("ramlp", "expansion", 9),
        ("monarch_mixer", "blocks", 0),
        ("monarch_mixer", "channel_dim", "wide"),
        ("mlp", "dropout", 1.0),
        ("mlp", "dropout", -0.1),
    ],
)
def test_a_value_out_of_range_is_named(block: str, name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        TypeAdapter(Block).validate_python({**least(block), name: value})


@pytest.mark.parametrize("block", [block for block in KNOWN if block not in WITHOUT_WIDTH])
def test_the_channel_width_has_no_default(block: str) -> None:
    with pytest.raises(ValidationError, match="channel_dim"):
        TypeAdapter(Block).validate_python({"block": block})


def test_a_plain_mlp_has_no_channel_width() -> None:
    assert TypeAdapter(Block).validate_python({"block": "mlp"}) == MLPParameters(dropout=0.0)
    assert [name for name in BLOCKS if "channel_dim" in type(BLOCKS[name]).model_fields] == MIXING


@pytest.mark.parametrize("name", BLOCKS)
def test_parameters_are_immutable(name: str) -> None:
    block = BLOCKS[name]
    for hyperparameter in type(block).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(block, hyperparameter, 3)


def test_an_unknown_tokeniser_is_refused_with_the_known_ones(raw: dict[str, Any]) -> None:
    raw["encoders"]["series"]["tokeniser"] = {"type": "vektor"}
    with pytest.raises(ValidationError, match=r"vektor.*'patches', 'projection', 'vector'"):
        Architecture.model_validate(raw)


@pytest.mark.parametrize("place", [(), ("inputs", "image"), ("encoders", "image"), ("fusion",), ("fusion", "network")])
def test_a_typo_anywhere_is_named(raw: dict[str, Any], place: tuple[str, ...]) -> None:
    holder = raw
    for key in place:
        holder = holder[key]
    holder["typo"] = 1
    with pytest.raises(ValidationError, match="typo"):
        Architecture.model_validate(raw)


def test_a_patch_that_does_not_divide_is_refused_with_those_that_do(raw: dict[str, Any]) -> None:
    raw["encoders"]["image"]["tokeniser"]["patch"] = 4
    with pytest.raises(ValidationError, match=r"'image': patch 4x4 does not divide 6x6.*\[1, 2, 3, 6\]"):
        Architecture.model_validate(raw)


@pytest.mark.parametrize(("tokeniser", "shape"), [("projection", (5, 3)), ("vector", (5,))])
def test_a_grid_block_needs_a_grid(raw: dict[str, Any], tokeniser: str, shape: tuple[int, ...]) -> None:
    raw["inputs"]["series"]["shape"] = shape
    raw["encoders"]["series"]["tokeniser"]["type"] = tokeniser
    Architecture.model_validate(raw)  # only the block is at fault
    raw["encoders"]["series"]["block"] = {"block": "ramlp", "channel_dim": 8}
    with pytest.raises(ValidationError, match="'series': ramlp needs a 2-D grid of tokens"):
        Architecture.model_validate(raw)


def test_the_fusion_network_cannot_be_a_grid_block(raw: dict[str, Any]) -> None:
    raw["fusion"]["network"]["block"] = {"block": "ramlp", "channel_dim": 8}
    with pytest.raises(ValidationError, match="fusion network cannot be ramlp"):
        Architecture.model_validate(raw)


def test_two_modalities_need_a_fusion(raw: dict[str, Any]) -> None:
    raw["fusion"] = None
    with pytest.raises(ValidationError, match="2 modalities need a fusion"):
        Architecture.model_validate(raw)


def test_one_modality_needs_none(raw: dict[str, Any]) -> None:
    del raw["inputs"]["series"], raw["encoders"]["series"]
    with pytest.raises(ValidationError, match="1 modalities need no fusion"):
        Architecture.model_validate(raw)


@pytest.mark.parametrize("part", ["inputs", "encoders"])
def test_inputs_and_encoders_must_be_of_the_same_modalities(raw: dict[str, Any], part: str) -> None:
    raw[part]["video"] = raw[part].pop("series")
    with pytest.raises(ValidationError, match=r"inputs are .*, encoders .*; expected the same") as error:
        Architecture.model_validate(raw)
    assert "video" in str(error.value)
    assert "series" in str(error.value)


@pytest.mark.parametrize("function", ["median", "Concat", ""])
def test_an_unknown_fusion_function_is_refused(raw: dict[str, Any], function: str) -> None:
    raw["fusion"]["function"] = function
    with pytest.raises(ValidationError, match=r"fusion\.function\n.*'concat', 'max', 'mean', 'sum', 'late' or 'gated'"):
        Architecture.model_validate(raw)


@pytest.mark.parametrize(("name", "value"), [("task", "regression"), ("classes", ()), ("inputs", {})])
def test_a_wrong_part_is_named(raw: dict[str, Any], name: str, value: object) -> None:
    raw[name] = value
    with pytest.raises(ValidationError, match=name):
        Architecture.model_validate(raw)


@pytest.mark.parametrize("std", [0.0, -1.0])
def test_a_constant_modality_cannot_be_standardised(raw: dict[str, Any], std: float) -> None:
    raw["inputs"]["image"]["std"] = std
    with pytest.raises(ValidationError, match=r"image\.std"):
        Architecture.model_validate(raw)


@pytest.mark.parametrize(
    ("tokeniser", "shape", "grid"),
    [
        (Patches(patch=14), (28, 28), (2, 2)),
        (Patches(patch=(2, 7)), (3, 8, 14), (4, 2)),
        (Patches(patch=5), (5, 5), (1, 1)),
        (Projection(), (24, 12), (24,)),
        (Vector(), (5,), (1,)),
        (Values(), (5,), (5,)),
        (Values(), (24, 12), (24, 12)),
        (Vector(), (1,), (1,)),
    ],
)
def test_token_grid(tokeniser: Tokeniser, shape: tuple[int, ...], grid: tuple[int, ...]) -> None:
    assert token_grid(tokeniser, shape, "m") == grid


@pytest.mark.parametrize(
    ("shape", "applies"),
    [
        ((4,), Values(clip=2)),
        ((5,), Vector(clip=2)),
        ((3, 2), Values(clip=2)),  # a series has no single token
    ],
)
def test_a_token_per_value_of_a_few(shape: tuple[int, ...], applies: Tokeniser) -> None:
    encoder = Encoder(tokeniser=Values(clip=2, most=4), hidden_dim=8, depth=1, block=UncheckedBlock(block="linear"))
    assert encoder.fitted(shape) == encoder.model_copy(update={"tokeniser": applies})


@pytest.mark.parametrize(
    ("tokeniser", "shape", "message"),
    [
        (Projection(), (24,), r"'m' has shape \(24,\); a projection expects \(steps, features\)"),
        (Projection(), (3, 8, 8), r"'m' has shape \(3, 8, 8\)"),
        (Values(), (3, 8, 8), r"'m' has shape \(3, 8, 8\); a token per value expects"),
        (Vector(), (24, 12), r"'m' has shape \(24, 12\); a vector expects \(features,\)"),
        (Vector(), (1, 5), r"'m' has shape \(1, 5\); a vector expects"),
        (Vector(), (3, 8, 8), r"'m' has shape \(3, 8, 8\); a vector expects"),
        (Patches(patch=2), (8,), r"'m' has shape \(8,\); patches expect"),
        (Patches(patch=(2, 3)), (8, 8), r"heights that do: \[1, 2, 4, 8\], widths: \[1, 2, 4, 8\]"),
        (Patches(patch=16), (8, 8), "16x16 does not divide 8x8"),
    ],
)
def test_a_tokeniser_that_does_not_fit(tokeniser: Tokeniser, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        token_grid(tokeniser, shape, "m")


def test_writing_an_architecture_down_imports_no_torch() -> None:
    code = "import sys, mixmas_pipeline.models.architecture; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
