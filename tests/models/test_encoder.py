"""Standardisation, heads, the encoder, and initialisation from a seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from block_cases import BLOCKS, affine, array, gelu, layer_norm, noise, randomised

from mixmas_pipeline.models import architecture
from mixmas_pipeline.models.architecture import Patches, Vector
from mixmas_pipeline.models.encoder import Encoder, initialised
from mixmas_pipeline.models.multimodal import Head, Standardise


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32, torch.float64])
def test_standardise(dtype: torch.dtype) -> None:
    stored = (noise(4, 3, 2).abs() * 60).to(dtype)
    result = Standardise(33.5, 7.25)(stored)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.numpy(), (array(stored) - 33.5) / 7.25, rtol=1e-5, atol=1e-5)


def test_standardise_follows_the_models_number_type_and_has_no_parameters() -> None:
    standardise = Standardise(127.0, 64.0)
    assert not list(standardise.parameters())
    result = standardise.to(torch.bfloat16)(torch.arange(256, dtype=torch.uint8))
    assert result.dtype == torch.bfloat16
    np.testing.assert_allclose(result.float().numpy(), (np.arange(256) - 127) / 64, atol=0.01)


def test_head_averages_over_tokens() -> None:
    head = randomised(Head(3, 2))
    x = noise(4, 5, 3, dtype=torch.float64)
    expected = [
        array(head.linear.weight) @ (sum(array(token) for token in example) / 5) + array(head.linear.bias)
        for example in x
    ]
    np.testing.assert_allclose(head(x).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", BLOCKS)
def test_encoder_is_tokeniser_then_blocks_then_norm(name: str) -> None:
    parameters = architecture.Encoder(tokeniser=Patches(patch=(2, 3)), hidden_dim=6, depth=2, block=BLOCKS[name])
    encoder = randomised(initialised(Encoder, 0, parameters, (3, 4, 9), "image"))
    assert (encoder.tokens, encoder.hidden) == (6, 6)
    x = noise(2, 3, 4, 9, dtype=torch.float64)
    first, second, *norms = encoder.blocks
    assert len(norms) == BLOCKS[name].norm
    expected = array(second(first(encoder.tokeniser(x))))
    for norm in norms:
        expected = np.array([[layer_norm(token, norm) for token in example] for example in expected])
    assert encoder(x).shape == (2, encoder.tokens, encoder.hidden)
    np.testing.assert_allclose(encoder(x).detach().numpy(), expected, atol=1e-9)


def test_vector_and_mlp_are_a_plain_multilayer_perceptron() -> None:
    """M2-Mixer's encoder of static features: linear, then layers of gelu(W x + b), then the frame's LayerNorm."""
    parameters = architecture.Encoder(tokeniser=Vector(), hidden_dim=6, depth=2, block=BLOCKS["mlp"])
    encoder = randomised(initialised(Encoder, 0, parameters, (5,), "static"))
    x = noise(3, 5, dtype=torch.float64)
    first, second, norm = encoder.blocks
    for example, result in zip(array(x), array(encoder(x)), strict=True):
        vector = affine(example, encoder.tokeniser[-1])
        for layer in (first, second):
            vector = gelu(affine(vector, layer[0]))
        np.testing.assert_allclose(result, [layer_norm(vector, norm)], atol=1e-9)


def test_initialised_draws_from_its_seed_only() -> None:
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first = initialised(torch.nn.Linear, 7, 4, 3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(5)
    again, other = initialised(torch.nn.Linear, 7, 4, 3), initialised(torch.nn.Linear, 8, 4, 3)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert first.weight.abs().max() <= 1 / math.sqrt(4)


def test_initialised_restores_the_random_state_when_building_fails() -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(ValueError, match="boom"):
        initialised(_fails, 7)
    assert torch.equal(torch.random.get_rng_state(), before)


def _fails() -> torch.nn.Module:
    torch.rand(3)
    raise ValueError("boom")
