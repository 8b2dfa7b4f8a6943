"""The multi-head loss against numpy, floating-point operations by hand, and matching of parameter counts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from block_cases import BLOCKS, MIXING
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.models.blocks.mlp_mixer import MLPMixerParameters
from mixmas_pipeline.models.blocks.monarch_mixer import MonarchMixerParameters
from mixmas_pipeline.models.cost import cost, match_parameters, parameter_count
from mixmas_pipeline.models.encoder import MixerStack, initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer

Build = Callable[..., Architecture]

# --- Cost


@pytest.mark.parametrize("function", ["concat", "mean"])
def test_cost_of_a_small_mlp_mixer_by_hand(build: Build, function: str) -> None:
    """Image: 4 patches of 9 pixels, width 8. Series: 5 steps of 3 features, width 10. MLPs: 32 and 12."""
    architecture = build(function=function)

    def block(tokens: int, hidden: int) -> int:
        return 2 * hidden * 2 * tokens * 32 + 2 * tokens * 2 * hidden * 12

    encoders = 2 * 4 * 9 * 8 + block(4, 8) + 2 * 5 * 3 * 10 + block(5, 10)
    heads = 2 * 3 * (8 + 10)
    tokens = 9 if function == "concat" else 5
    alignment = 2 * 4 * 8 * 10 + (0 if function == "concat" else 2 * 10 * 4 * 5)
    fused = block(tokens, 10) + 2 * 3 * 10
    counted = cost(architecture)
    assert counted.flops == encoders + heads + alignment + fused

    def block_parameters(tokens: int, hidden: int) -> int:
        token_mlp = tokens * 32 + 32 + 32 * tokens + tokens
        return token_mlp + hidden * 12 + 12 + 12 * hidden + hidden + 2 * 2 * hidden

    parameters = (9 + 1) * 8 + block_parameters(4, 8) + 2 * 8
    parameters += (3 + 1) * 10 + block_parameters(5, 10) + 2 * 10
    parameters += (8 + 1) * 3 + (10 + 1) * 3
    parameters += (8 + 1) * 10 + (0 if function == "concat" else (4 + 1) * 5)
    parameters += block_parameters(tokens, 10) + 2 * 10 + (10 + 1) * 3
    assert counted.parameters == parameters


@pytest.mark.parametrize("block", ["mlp_mixer", "hyper_mixer", "ramlp", "monarch_mixer", "linear", "mlp"])
def test_cost_counts_without_building(build: Build, block: str) -> None:
    architecture = build(image=block)
    before = torch.random.get_rng_state()
    counted = cost(architecture)
    assert torch.equal(torch.random.get_rng_state(), before)
    model = initialised(MultimodalMixer, 0, architecture)
    assert counted.parameters == parameter_count(model) == sum(p.numel() for p in model.parameters())
    assert counted.flops > 0
    assert torch.zeros(1).device.type == "cpu"  # the meta device is left again


def test_parameter_count_is_of_trainable_ones() -> None:
    layer = torch.nn.Linear(3, 2)
    assert parameter_count(layer) == 8
    layer.bias.requires_grad_(False)
    assert parameter_count(layer) == 6


# --- Matching


def counter(hidden: int, grid: tuple[int, ...]) -> Callable[[BlockParameters], int]:
    def count(block: BlockParameters) -> int:
        with torch.device("meta"):
            return parameter_count(MixerStack(block, 2, hidden, grid))

    return count


@pytest.mark.parametrize("name", MIXING)
@settings(max_examples=15)
@given(target=st.integers(12_000, 400_000))
def test_match_parameters_brings_every_block_within_tolerance(name: str, target: int) -> None:
    count = counter(16, (3, 5))
    matched = match_parameters(BLOCKS[name], count, target, 0.1)
    assert abs(count(matched) - target) <= 0.1 * target
    assert matched.model_copy(update={"channel_dim": BLOCKS[name].channel_dim}) == BLOCKS[name]
    type(matched).model_validate(matched.model_dump())


def test_all_candidates_of_a_published_encoder_can_be_matched() -> None:
    """The published candidates of one modality differed 6-fold in parameters."""
    count = counter(128, (2, 2))
    target = count(MLPMixerParameters(channel_dim=3072))
    for name in MIXING:
        matched = match_parameters(BLOCKS[name], count, target, 0.01)
        assert count(matched) == pytest.approx(target, rel=0.01)


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("width", [1, 2, 3, 57, 1000])
def test_an_attainable_count_is_attained(name: str, width: int) -> None:
    count = counter(8, (2, 2))
    wanted = BLOCKS[name].model_copy(update={"channel_dim": width})
    start = BLOCKS[name].model_copy(update={"channel_dim": 5000})
    assert count(match_parameters(start, count, count(wanted), 1e-9)) == count(wanted)


@pytest.mark.parametrize("name", MIXING)
def test_parameters_grow_with_the_width(name: str) -> None:
    count = counter(16, (3, 5))
    counts = [count(BLOCKS[name].model_copy(update={"channel_dim": width})) for width in range(1, 80)]
    assert counts == sorted(counts)


def test_a_block_within_tolerance_is_untouched() -> None:
    count, block = counter(16, (4,)), BLOCKS["mlp_mixer"]
    target = count(block)
    for wanted in (target, round(target * 1.09), round(target * 0.92)):
        assert match_parameters(block, count, wanted, 0.1) is block
    assert match_parameters(block, count, round(target * 1.2), 0.1) is not block


@pytest.mark.parametrize("factor", [0.5, 0.89, 1.12, 20])
def test_a_block_without_the_width_cannot_be_matched(factor: float) -> None:
    """Two layers of 16 x 16 weights and 16 biases, and a LayerNorm: 576 parameters whatever is asked."""
    target = round(576 * factor)
    message = f"mlp has 576 parameters; expected {target:,} (within 10%), and it has no channel_dim to change."
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        match_parameters(BLOCKS["mlp"], counter(16, (4,)), target, 0.1)
    assert "reference" in str(error.value)
    assert "match.tolerance" in str(error.value)


@pytest.mark.parametrize("factor", [0.92, 1, 1.1])
def test_a_block_without_the_width_is_untouched_within_tolerance(factor: float) -> None:
    block = BLOCKS["mlp"]
    assert match_parameters(block, counter(16, (4,)), round(576 * factor), 0.1) is block


@pytest.mark.parametrize(("target", "width"), [(104, 10), (106, 11), (3, 1), (999, 100)])
def test_the_closest_width_is_taken(target: int, width: int) -> None:
    block = MLPMixerParameters(channel_dim=500)
    assert match_parameters(block, lambda b: 10 * b.channel_dim, target, 3.0).channel_dim == width


@pytest.mark.parametrize("target", [10, 10**12])
def test_an_impossible_count_is_an_error(target: int) -> None:
    block = MonarchMixerParameters(channel_dim=12)
    with pytest.raises(ValueError, match="monarch_mixer: no channel_dim gives about") as error:
        match_parameters(block, counter(16, (4,)), target, 0.1)
    assert f"{target:,}" in str(error.value)
    assert "match.tolerance" in str(error.value)
