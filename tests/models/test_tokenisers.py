"""Tokenisers against loops over pixels, steps and values."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from block_cases import BLOCKS, array, noise, randomised
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.models import architecture
from mixmas_pipeline.models.architecture import Projection, Values, Vector
from mixmas_pipeline.models.encoder import Encoder, initialised
from mixmas_pipeline.models.tokenisers import PatchTokeniser

SIDES = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=25)
@given(channels=st.integers(0, 3), patch=SIDES, grid=SIDES)
def test_patch_tokeniser_cuts_row_by_row(channels: int, patch: tuple[int, int], grid: tuple[int, int]) -> None:
    (height, width), (rows, columns) = patch, grid
    shape = (channels,) * (channels > 0) + (rows * height, columns * width)
    tokeniser = randomised(initialised(PatchTokeniser, 0, patch, shape, 5))
    x = noise(2, *shape, dtype=torch.float64)
    images = array(x).reshape(2, max(channels, 1), *shape[-2:])
    weight, bias = array(tokeniser.projection.weight), array(tokeniser.projection.bias)
    expected = np.zeros((2, rows * columns, 5))
    for example in range(2):
        for row in range(rows):
            for column in range(columns):
                pixels = [
                    images[example, channel, row * height + i, column * width + j]
                    for channel in range(max(channels, 1))
                    for i in range(height)
                    for j in range(width)
                ]
                expected[example, row * columns + column] = weight @ np.array(pixels) + bias
    np.testing.assert_allclose(tokeniser(x).detach().numpy(), expected, atol=1e-12)


def test_projection_makes_one_token_per_step() -> None:
    parameters = architecture.Encoder(tokeniser=Projection(), hidden_dim=6, depth=1, block=BLOCKS["mlp_mixer"])
    encoder = randomised(initialised(Encoder, 0, parameters, (7, 3), "text"))
    x = noise(2, 7, 3, dtype=torch.float64)
    linear = encoder.tokeniser
    expected = [[array(linear.weight) @ array(step) + array(linear.bias) for step in example] for example in x]
    np.testing.assert_allclose(linear(x).detach().numpy(), expected, atol=1e-12)
    assert encoder.tokens == 7
    assert encoder(x).shape == (2, 7, 6)


@pytest.mark.parametrize("name", [name for name, block in BLOCKS.items() if not block.needs_grid])
@pytest.mark.parametrize("features", [1, 5])
def test_vector_makes_one_token(name: str, features: int) -> None:
    parameters = architecture.Encoder(tokeniser=Vector(), hidden_dim=6, depth=2, block=BLOCKS[name])
    encoder = randomised(initialised(Encoder, 0, parameters, (features,), "static"))
    x = noise(3, features, dtype=torch.float64)
    weight, bias = (array(p) for p in encoder.tokeniser.parameters())
    assert weight.shape == (6, features)
    expected = np.zeros((3, 1, 6))
    for example in range(3):
        for channel in range(6):
            products = [weight[channel, i] * float(x[example, i]) for i in range(features)]
            expected[example, 0, channel] = sum(products) + bias[channel]
    np.testing.assert_allclose(encoder.tokeniser(x).detach().numpy(), expected, atol=1e-12)
    assert encoder.tokens == 1
    assert encoder(x).shape == (3, 1, 6)


@pytest.mark.parametrize("shape", [(5,), (4, 3)])
def test_values_make_one_token_each(shape: tuple[int, ...]) -> None:
    parameters = architecture.Encoder(tokeniser=Values(), hidden_dim=6, depth=1, block=BLOCKS["mlp_mixer"])
    encoder = randomised(initialised(Encoder, 0, parameters, shape, "series"))
    x = noise(2, *shape, dtype=torch.float64)
    weight, bias = array(encoder.tokeniser.weight), array(encoder.tokeniser.bias)
    for example in range(2):
        tokens = array(encoder.tokeniser(x)[example])
        for number, index in enumerate(np.ndindex(shape)):  # steps first, features within a step
            feature = index[-1]
            expected = float(x[(example, *index)]) * weight[feature] + bias[feature]
            np.testing.assert_allclose(tokens[number], expected, atol=1e-12)
    assert encoder.tokens == np.prod(shape)
    assert encoder(x).shape == (2, encoder.tokens, 6)


def test_values_of_a_series_lie_on_a_grid_that_ramlp_can_use() -> None:
    parameters = architecture.Encoder(tokeniser=Values(), hidden_dim=6, depth=1, block=BLOCKS["ramlp"])
    encoder = initialised(Encoder, 0, parameters, (6, 4), "series")
    assert encoder(noise(2, 6, 4)).shape == (2, 24, 6)


@pytest.mark.parametrize("shape", [(2, 3), (1, 5), (3, 4, 9)])
def test_vector_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    parameters = architecture.Encoder(tokeniser=Vector(), hidden_dim=6, depth=1, block=BLOCKS["mlp"])
    message = f"modality 'static' has shape {shape}; a vector expects (features,)"
    with pytest.raises(ValueError, match=re.escape(message)):
        Encoder(parameters, shape, "static")
