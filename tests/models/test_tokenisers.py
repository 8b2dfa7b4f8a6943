"""Tokenisers against loops over pixels, steps and values."""

from __future__ import annotations

import math
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
from mixmas_pipeline.models.tokenisers import PatchTokeniser, PeriodicEmbedding, SmoothClip, build_tokeniser

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


# --- Numbers: smooth clip and periodic embedding


def test_smooth_clip_by_hand() -> None:
    x = torch.tensor([0.0, 3.0, -4.0, 1e-3, 1e3, -1e30, math.inf], dtype=torch.float64)
    expected = [0.0, 3 / math.sqrt(2), -4 / math.sqrt(1 + 16 / 9), 1e-3, 3.0, -3.0, 3.0]
    torch.testing.assert_close(SmoothClip(3)(x).tolist(), expected, rtol=1e-5, atol=1e-9)


@given(st.floats(-(2.0**100), 2.0**100, width=32), st.floats(0.1, 10))
def test_smooth_clip_is_odd_grows_and_has_finite_gradients(value: float, limit: float) -> None:
    clip = SmoothClip(limit)
    x = torch.tensor([value, -value, value + abs(value) + 1]).requires_grad_()
    result = clip(x)
    assert result.abs().max() <= limit * 1.0001
    assert result[0] == -result[1]
    assert result[2] >= result[0] - 1e-6 * limit
    result.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("tokeniser", "shape"),
    [
        (Projection(clip=2), (4, 3)),
        (Vector(clip=2), (5,)),
        (Vector(clip=2, frequencies=3), (5,)),
        (Values(clip=2), (5,)),
        (Values(clip=2), (4, 3)),
    ],
)
def test_clipped_numbers_enter_the_tokeniser(tokeniser: Projection | Vector | Values, shape: tuple[int, ...]) -> None:
    clipped = randomised(build_tokeniser(tokeniser, shape, 6))
    plain = build_tokeniser(tokeniser.model_copy(update={"clip": None}), shape, 6).double()
    plain.load_state_dict({name.removeprefix("1."): value for name, value in clipped.state_dict().items()})
    x = noise(3, *shape, dtype=torch.float64) * 4
    torch.testing.assert_close(clipped(x), plain(x / (1 + (x / 2) ** 2).sqrt()))
    assert clipped(x * 1e25).isfinite().all()


def test_periodic_embedding_by_a_loop() -> None:
    embedding = randomised(initialised(PeriodicEmbedding, 0, 3, 5))
    x = noise(2, 3, dtype=torch.float64)
    scale, frequency, phase, mixture, bias = (array(p) for p in embedding.parameters())
    for example in range(2):
        for feature in range(3):
            z = float(x[example, feature]) * scale[feature]
            waves = [math.cos(2 * math.pi * f * z + p) for f, p in zip(frequency[feature], phase[feature], strict=True)]
            mixed = np.array(waves) @ mixture[feature] + bias[feature]
            found = array(embedding(x))[example, feature]
            np.testing.assert_allclose(found, [z, *mixed], atol=1e-12)


def test_vector_with_frequencies_projects_the_embeddings_of_all_features() -> None:
    tokeniser = randomised(build_tokeniser(Vector(frequencies=4), (5,), 6))
    x = noise(3, 5, dtype=torch.float64).requires_grad_()
    embedding, *_, linear = tokeniser
    tokens = tokeniser(x)
    torch.testing.assert_close(tokens, linear(embedding(x).reshape(3, 20))[:, None])
    tokens.square().sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).all()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tokeniser.parameters())


@pytest.mark.parametrize("wrong", [{"clip": 0}, {"clip": -1}, {"frequencies": -1}, {"frequency": 3}])
def test_settings_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Vector.model_validate(wrong)
