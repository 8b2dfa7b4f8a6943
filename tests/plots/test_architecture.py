"""The drawing says what the architecture is: its words are read back from the SVG, and held against the model."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from PIL import Image

from mixmas_pipeline.models.architecture import (
    FUSION_FUNCTIONS,
    Architecture,
    Encoder,
    Fusion,
    FusionNetwork,
    Input,
    Patches,
    Projection,
    Values,
    Vector,
)
from mixmas_pipeline.models.blocks.hyper_mixer import HyperMixerParameters
from mixmas_pipeline.models.blocks.mlp import MLPParameters
from mixmas_pipeline.models.blocks.mlp_mixer import MLPMixerParameters
from mixmas_pipeline.models.blocks.monarch_mixer import MonarchMixerParameters
from mixmas_pipeline.models.blocks.ramlp import RaMLPParameters
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.plots.architecture import draw_architecture

# Modality -> shape, encoder, tokens.
LANES = {
    "image": ((3, 64, 48), Encoder(tokeniser=Patches(patch=(16, 8)), hidden_dim=32, depth=4,
                                   block=RaMLPParameters(channel_dim=64)), 24),
    "words": ((40, 12), Encoder(tokeniser=Projection(), hidden_dim=32, depth=9,
                                block=MonarchMixerParameters(channel_dim=64)), 40),
    "static": ((5,), Encoder(tokeniser=Vector(), hidden_dim=32, depth=1, block=MLPParameters()), 1),
    "codes": ((6,), Encoder(tokeniser=Values(), hidden_dim=32, depth=2,
                            block=HyperMixerParameters(channel_dim=48, tied=True)), 6),
    "series": ((24, 5), Encoder(tokeniser=Values(), hidden_dim=32, depth=2,
                                block=MLPMixerParameters(channel_dim=64)), 120),
    "sound_of_a_very_long_name": ((112, 112), Encoder(tokeniser=Patches(patch=56), hidden_dim=32, depth=2,
                                                      block=HyperMixerParameters(channel_dim=64)), 4),
}  # fmt: skip


def architecture(modalities: int, function: str = "concat") -> Architecture:
    names = list(LANES)[:modalities]
    network = FusionNetwork(depth=2, block=MLPMixerParameters(token_dim=8, channel_dim=64))
    return Architecture(
        task="multiclass",
        classes=("a", "b", "c"),
        inputs={name: Input(shape=LANES[name][0], mean=0.0, std=1.0) for name in names},
        encoders={name: LANES[name][1] for name in names},
        fusion=None if modalities == 1 else Fusion(function=function, network=network),  # type: ignore[arg-type]
    )


def words(drawn: bytes) -> list[str]:
    texts = ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()).replace("\u00a0", " ") for text in texts]


@pytest.mark.parametrize("modalities", range(1, 7))
def test_every_part_is_drawn_with_its_sizes(modalities: int) -> None:
    drawn = architecture(modalities)
    said = words(draw_architecture(drawn, "svg"))
    for name in drawn.inputs:
        shape, encoder, tokens = LANES[name]
        assert any(text == name or (text.endswith("…") and name.startswith(text[:-1])) for text in said), name
        assert "×".join(map(str, shape)) in said
        assert f"{tokens} × {encoder.hidden_dim}" in said
    assert "RaMLP × 4" in said
    assert "3 classes" in said
    fused = sum(LANES[name][2] for name in drawn.inputs)
    assert (f"{fused} × 32" in said) == (modalities > 1 or fused == 24)
    assert ("concat" in said) == (modalities > 1)
    assert len([text for text in said if text.startswith("head: ")]) == (modalities if modalities > 1 else 0)


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
def test_who_decides_is_said(function: str) -> None:
    said = words(draw_architecture(architecture(2, function), "svg"))
    assert any(text.endswith("The mean of all heads decides.") for text in said) == (function == "late")


@pytest.mark.parametrize("function", ["max", "gated"])
def test_parameters_add_up_to_those_of_the_model(function: str) -> None:
    drawn = architecture(3, function)
    said = words(draw_architecture(drawn, "svg"))
    model = MultimodalMixer(drawn)
    total = sum(p.numel() for p in model.parameters())
    assert any(text.startswith(f"{total:,} parameters, ") for text in said)
    parts = [int(text.split()[0].replace(",", "")) for text in said if re.fullmatch(r"[\d,]+ parameters", text)]
    assert len(parts) == 3 + 3 + 1 + 1, "tokenisers, encoders, the fusion function's alignment, fusion network"
    heads = 4 * (32 * 3 + 3)  # three modalities' and the fused one: weights and biases
    assert sum(parts) + heads == total


def test_the_same_architecture_gives_the_same_bytes() -> None:
    for form in ("png", "svg"):
        assert draw_architecture(architecture(2), form) == draw_architecture(architecture(2), form)  # type: ignore[arg-type]
    assert draw_architecture(architecture(2)) != draw_architecture(architecture(2, "max"))


def test_picture_grows_with_the_modalities() -> None:
    sizes = [Image.open(io.BytesIO(draw_architecture(architecture(number)))).size for number in (1, 2, 6)]
    assert sizes[0][0] < sizes[1][0] == sizes[2][0]
    assert sizes[1][1] - sizes[0][1] == pytest.approx((sizes[2][1] - sizes[1][1]) / 4, abs=1)
