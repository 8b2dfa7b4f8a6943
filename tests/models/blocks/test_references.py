"""Each block against its equations, computed in numpy float64 one token, channel or weight at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from block_cases import BLOCKS, Array, affine, array, gelu, layer_norm, make, mlp, noise, randomised
from torch import nn

from mixmas_pipeline.models.blocks.layers import sinusoidal_positions
from mixmas_pipeline.models.blocks.monarch_mixer import Monarch, MonarchMixerParameters, MonarchMixing
from mixmas_pipeline.models.blocks.ramlp import RaMLPParameters
from mixmas_pipeline.models.encoder import initialised


def normed(x: Array, norm: nn.LayerNorm) -> Array:
    return np.array([layer_norm(token, norm) for token in x])


def with_channel_mlp(u: Array, block: nn.Module) -> Array:
    """Y = U + W4 gelu(W3 LN(U))."""
    return np.array([token + mlp(layer_norm(token, block.channel_norm), block.channel_mixing) for token in u])


def check(block: nn.Module, reference: Array, x: torch.Tensor) -> None:
    np.testing.assert_allclose(block(x[None])[0].detach().numpy(), reference, rtol=1e-9, atol=1e-9)


# --- MLP-Mixer


@pytest.mark.parametrize("grid", [(1,), (7,), (3, 5)])
def test_mlp_mixer(grid: tuple[int, ...]) -> None:
    block = randomised(make("mlp_mixer", grid))
    tensor = noise(math.prod(grid), 12, dtype=torch.float64)
    x = array(tensor)
    z, u = normed(x, block.token_norm), x.copy()
    for channel in range(x.shape[1]):
        u[:, channel] += mlp(z[:, channel], block.token_mixing)
    check(block, with_channel_mlp(u, block), tensor)


# --- HyperMixer


@pytest.mark.parametrize("name", ["hyper_mixer", "hyper_mixer_tied"])
@pytest.mark.parametrize("grid", [(1,), (7,), (3, 5)])
def test_hyper_mixer(name: str, grid: tuple[int, ...]) -> None:
    block = randomised(make(name, grid))
    mixing = block.token_mixing
    tensor = noise(math.prod(grid), 12, dtype=torch.float64)
    x = array(tensor)
    tokens, hidden = x.shape
    z = normed(x, block.token_norm)
    positions = np.array(positions_by_loops(tokens, hidden))
    w1 = np.array([mlp(z[j] + positions[j], mixing.first) for j in range(tokens)])
    second = mixing.first if name.endswith("tied") else mixing.second
    w2 = np.array([mlp(z[j] + positions[j], second) for j in range(tokens)])
    mixed = np.zeros_like(x)
    for channel in range(hidden):
        for unit in range(w1.shape[1]):
            summary = sum(w1[j, unit] * z[j, channel] for j in range(tokens))
            for j in range(tokens):
                mixed[j, channel] += w2[j, unit] * float(gelu(np.array(summary)))
    u = x + normed(mixed, mixing.norm)
    result = block(tensor[None])[0].detach().numpy()
    np.testing.assert_allclose(result, with_channel_mlp(u, block), rtol=1e-5, atol=1e-5)  # float32 positions


def test_tied_hyper_mixer_has_one_hypernetwork() -> None:
    tied, free = make("hyper_mixer_tied", (7,)), make("hyper_mixer", (7,))
    one = sum(p.numel() for p in tied.token_mixing.first.parameters())
    difference = sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in tied.parameters())
    assert difference == one


def positions_by_loops(tokens: int, width: int) -> list[list[float]]:
    """Vaswani et al. 2017, 3.5: PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(the same)."""
    table = [[0.0] * width for _ in range(tokens)]
    for position in range(tokens):
        for column in range(width):
            angle = position / 10000 ** ((column - column % 2) / width)
            table[position][column] = math.cos(angle) if column % 2 else math.sin(angle)
    return table


@pytest.mark.parametrize(("tokens", "width"), [(1, 1), (5, 8), (7, 7), (13, 2), (512, 6)])
def test_sinusoidal_positions(tokens: int, width: int) -> None:
    table = sinusoidal_positions(tokens, width)
    assert table.dtype == torch.float32
    np.testing.assert_allclose(table.numpy(), positions_by_loops(tokens, width), atol=1e-4)


# --- RaMLP


@pytest.mark.parametrize(
    ("grid", "regions", "kernel", "expansion"),
    [((2, 2), 2, 5, 2), ((3, 5), 2, 3, 2), ((7, 7), 2, 5, 1), ((4, 6), 3, 1, 3), ((1, 4), 2, 3, 2)],
)
def test_ramlp(grid: tuple[int, int], regions: int, kernel: int, expansion: int) -> None:
    parameters = RaMLPParameters(channel_dim=7, regions=regions, kernel=kernel, expansion=expansion)  # type: ignore[arg-type]
    block = randomised(parameters.build(4, grid))
    mixing = block.token_mixing
    tensor = noise(math.prod(grid), 4, dtype=torch.float64)
    x = array(tensor)
    u = x + depthwise_by_loops(x, grid, block.positions)
    z = normed(u, block.token_norm)
    features = np.array([affine(token, mixing.features) for token in z])
    pooled = depthwise_by_loops(features, grid, mixing.pooling)
    connected = connect_by_loops(pooled, grid, regions, array(mixing.connection.mixing.weight))
    v = u.copy()
    for j, token in enumerate(z):
        gate = layer_norm(affine(token, mixing.gate), mixing.gate_norm)
        v[j] += affine(layer_norm(connected[j], mixing.features_norm) * gate, mixing.output)
    check(block, with_channel_mlp(v, block), tensor)


def depthwise_by_loops(x: Array, grid: tuple[int, int], convolution: nn.Conv2d) -> Array:
    """A depthwise window over tokens (rows one after the other); outside of the grid is zero."""
    weight = array(convolution.weight)
    side = weight.shape[-1]
    rows, columns = grid
    result = np.zeros_like(x)
    for row in range(rows):
        for column in range(columns):
            for i in range(side):
                for j in range(side):
                    r, c = row + i - side // 2, column + j - side // 2
                    if 0 <= r < rows and 0 <= c < columns:
                        result[row * columns + column] += weight[:, 0, i, j] * x[r * columns + c]
    return result


def connect_by_loops(x: Array, grid: tuple[int, int], regions: int, weight: Array) -> Array:
    """Every token is a weighted sum of the tokens that hold its place in each region."""
    rows, columns = grid
    down, across = min(regions, rows), min(regions, columns)
    height, width = math.ceil(rows / down), math.ceil(columns / across)
    result = np.zeros_like(x)
    for row in range(rows):
        for column in range(columns):
            own = (row // height) * across + column // width
            for a in range(down):
                for b in range(across):
                    r, c = a * height + row % height, b * width + column % width
                    if r < rows and c < columns:
                        result[row * columns + column] += weight[own, a * across + b] * x[r * columns + c]
    return result


# --- MonarchMixer


def dense_monarch(monarch: Monarch) -> Array:
    """The matrix (outputs, inputs) as a product crop . P . L . P' . R . pad of explicit matrices."""
    right, left = array(monarch.right), array(monarch.left)
    blocks, rows_in, middle = right.shape
    rows_out = left.shape[2]
    share = middle // blocks
    r = block_diagonal([block.T for block in right])  # (blocks * middle, blocks * rows_in)
    l = block_diagonal([block.T for block in left])  # noqa: E741
    between = np.zeros((blocks * middle, blocks * middle))
    for right_block in range(blocks):
        for left_block in range(blocks):
            for k in range(share):
                source = right_block * middle + left_block * share + k
                between[left_block * middle + right_block * share + k, source] = 1
    after = np.zeros((blocks * rows_out, blocks * rows_out))
    for block in range(blocks):
        for k in range(rows_out):
            after[k * blocks + block, block * rows_out + k] = 1
    for permutation in (between, after):
        assert (permutation.sum(axis=0) == 1).all()
        assert (permutation.sum(axis=1) == 1).all()
    pad = np.eye(blocks * rows_in, monarch.inputs)
    crop = np.eye(monarch.outputs, blocks * rows_out)
    return crop @ after @ l @ between @ r @ pad


def block_diagonal(matrices: list[Array]) -> Array:
    rows, columns = matrices[0].shape
    result = np.zeros((len(matrices) * rows, len(matrices) * columns))
    for i, matrix in enumerate(matrices):
        result[i * rows : (i + 1) * rows, i * columns : (i + 1) * columns] = matrix
    return result


SIZES = [(1, 1, 1), (1, 5, 4), (5, 1, 4), (7, 7, 3), (12, 12, 4), (13, 13, 4), (12, 21, 4), (21, 12, 4)]
SIZES += [(5, 7, 9), (5, 5, 4)]  # more blocks than values; a block that gets padding only


@pytest.mark.parametrize(("inputs", "outputs", "blocks"), SIZES)
def test_monarch_is_the_product_of_its_factors(inputs: int, outputs: int, blocks: int) -> None:
    monarch = randomised(Monarch(inputs, outputs, blocks))
    dense = dense_monarch(monarch)
    assert dense.shape == (outputs, inputs)
    x = noise(2, inputs, 3, dtype=torch.float64)
    np.testing.assert_allclose(monarch(x).detach().numpy(), dense @ x.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("inputs", "outputs", "blocks"), SIZES)
def test_monarch_joins_every_input_with_every_output(inputs: int, outputs: int, blocks: int) -> None:
    """Nothing is cropped: also for lengths that the blocks do not divide."""
    monarch = randomised(Monarch(inputs, outputs, blocks))
    columns = monarch(torch.eye(inputs, dtype=torch.float64)).detach().numpy()
    assert columns.shape == (outputs, inputs)
    assert (columns != 0).all()


@pytest.mark.parametrize("length", [2, 3, 5, 7, 23, 50, 97, 484, 512])
def test_monarch_over_tokens_uses_every_one_of_them(length: int) -> None:
    """The published code cut 512 tokens to 484 and 768 channels to 729."""
    monarch = Monarch(length, length, round(length**0.5)).double()
    dense = monarch(torch.eye(length, dtype=torch.float64)).detach().numpy()
    assert (dense != 0).all()


def test_monarch_has_fewer_weights_than_a_dense_matrix() -> None:
    n, blocks = 256, 16
    weights = sum(p.numel() for p in Monarch(n, n, blocks).parameters())
    assert weights == 2 * n * n // blocks  # two factors of n^2 / blocks


@pytest.mark.parametrize(
    ("inputs", "outputs", "blocks"),
    [(256, 256, 16), (97, 97, 10), (128, 512, 4), (512, 130, 4), (61, 300, 8)],
)
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_monarch_keeps_the_variance_at_the_start(inputs: int, outputs: int, blocks: int, gain: float) -> None:
    x = noise(inputs, 64)
    drawn = [initialised(Monarch, seed, inputs, outputs, blocks, gain) for seed in range(8)]
    ratios = [(monarch(x).var() / x.var()).item() for monarch in drawn]
    assert np.mean(ratios) == pytest.approx(gain, rel=0.12)


@pytest.mark.parametrize(("dim", "hidden", "blocks"), [(128, 128, 11), (128, 512, 4), (97, 193, 4)])
def test_monarch_mixing_keeps_the_variance_at_the_start(dim: int, hidden: int, blocks: int) -> None:
    x = noise(dim, 256)
    ratios = []
    for seed in range(8):
        mixing = initialised(MonarchMixing, seed, dim, hidden, blocks, (hidden, 1), 0.0)
        ratios.append((mixing(x).square().mean() / x.square().mean()).item())
    assert np.mean(ratios) == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize(
    ("grid", "hidden", "channel_dim", "blocks"), [((1,), 6, 5, 4), ((7,), 6, 11, 4), ((3, 5), 4, 8, 2)]
)
def test_monarch_mixer(grid: tuple[int, ...], hidden: int, channel_dim: int, blocks: int) -> None:
    parameters = MonarchMixerParameters(channel_dim=channel_dim, blocks=blocks)
    block = randomised(parameters.build(hidden, grid))
    tensor = noise(math.prod(grid), hidden, dtype=torch.float64)
    x = array(tensor)
    tokens, channels = block.token_mixing, block.channel_mixing
    m1, m2 = dense_monarch(tokens.first), dense_monarch(tokens.second)
    m3, m4 = dense_monarch(channels.first), dense_monarch(channels.second)
    z, u = normed(x, block.token_norm), x.copy()
    for channel in range(hidden):
        u[:, channel] += m2 @ np.maximum(array(tokens.kernel)[:, channel] * (m1 @ z[:, channel]), 0)
    y = u.copy()
    for j, token in enumerate(u):
        y[j] += m4 @ np.maximum(array(channels.kernel)[:, 0] * (m3 @ layer_norm(token, block.channel_norm)), 0)
    check(block, y, tensor)


# --- Linear


@pytest.mark.parametrize("grid", [(1,), (7,), (3, 5)])
def test_linear(grid: tuple[int, ...]) -> None:
    """y_tc = s_tc x_tc: a factor for every channel of every token."""
    block = randomised(make("linear", grid))
    tensor = noise(math.prod(grid), 12, dtype=torch.float64)
    check(block, array(block.factors) * array(tensor), tensor)


def test_linear_starts_from_the_mean_token_of_a_sequence_and_from_projections_of_a_picture() -> None:
    assert (make("linear", (7,)).factors == 1).all()
    picture = initialised(BLOCKS["linear"].build, 0, 64, (4, 4)).factors
    assert abs(picture.mean()) < 0.5
    assert 14 < picture.square().mean() < 18


# --- RealMLP's layer


@pytest.mark.parametrize("grid", [(1,), (7,), (3, 5)])
def test_real_mlp(grid: tuple[int, ...]) -> None:
    """y = (1 - a) x' + a mish(x') with mish(v) = v tanh(log(1 + e^v)), one a per channel."""
    block = randomised(make("real_mlp", grid))
    tensor = noise(math.prod(grid), 12, dtype=torch.float64)
    a = array(block.activation)
    hidden = np.array([affine(token, block.linear) for token in array(tensor)])
    check(block, (1 - a) * hidden + a * hidden * np.tanh(np.log1p(np.exp(hidden))), tensor)
    assert (make("real_mlp", grid).activation == 1).all()


# --- Plain MLP


@pytest.mark.parametrize("grid", [(1,), (7,), (3, 5)])
def test_mlp(grid: tuple[int, ...]) -> None:
    """Y = gelu(W X + b): one layer, no norm before it and no residual around it."""
    block = randomised(make("mlp", grid))
    assert sorted(tuple(p.shape) for p in block.parameters()) == [(12,), (12, 12)]
    tensor = noise(math.prod(grid), 12, dtype=torch.float64)
    check(block, np.array([gelu(affine(token, block[0])) for token in array(tensor)]), tensor)
