"""Each half of a block mixes the axis that it claims, and no other: found by disturbing one token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from block_cases import BLOCKS, CASES, HIDDEN, MIXING, make, noise, randomised
from torch import Tensor, nn

from mixmas_pipeline.models.blocks.ramlp import RaMLPParameters

MIXING_CASES = [case for case in CASES if case[0] in MIXING]
CHANNELS_FIRST = {"mlp_mixer"}  # its token mixing works on the last axis


def token_mixing(name: str, block: nn.Module) -> Callable[[Tensor], Tensor]:
    """The token-mixing half as (tokens, hidden) -> (tokens, hidden)."""
    mixing: nn.Module = block.token_mixing
    if name in CHANNELS_FIRST:
        return lambda x: mixing(x.T[None])[0].T
    return lambda x: mixing(x[None])[0]


def changes(function: Callable[[Tensor], Tensor], x: Tensor, place: tuple[int | slice, ...]) -> np.ndarray:
    """Which outputs change when the inputs at ``place`` do."""
    disturbed = x.clone()
    disturbed[place] += noise(*disturbed[place].shape, seed=9, dtype=torch.float64) + 0.7
    with torch.no_grad():
        return ((function(disturbed) - function(x)).abs() > 1e-11).numpy()


@pytest.mark.parametrize(("name", "grid"), [c for c in MIXING_CASES if c[1] in {(1,), (7,), (13,), (2, 2), (3, 5)}])
def test_token_mixing_reaches_every_token(name: str, grid: tuple[int, ...]) -> None:
    tokens = torch.Size(grid).numel()
    # A window of 5 spans a region of any of these grids.
    parameters = BLOCKS[name].model_copy(update={"kernel": 5}) if name == "ramlp" else BLOCKS[name]
    block = randomised(parameters.build(HIDDEN, grid))
    x = noise(tokens, HIDDEN, dtype=torch.float64)
    for j in range(tokens):
        reached = changes(token_mixing(name, block), x, (j,)).any(axis=1)
        assert reached.all(), f"token {j} reaches only {np.flatnonzero(reached)}"


@pytest.mark.parametrize(("name", "grid"), MIXING_CASES)
def test_channel_mixing_stays_in_its_token(name: str, grid: tuple[int, ...]) -> None:
    tokens = torch.Size(grid).numel()
    block = randomised(make(name, grid))
    x = noise(tokens, HIDDEN, dtype=torch.float64)

    def channel_mixing(tokens: Tensor) -> Tensor:
        return block.channel_mixing(block.channel_norm(tokens[None]))[0]

    for j in {0, tokens // 2, tokens - 1}:
        expected = np.zeros((tokens, HIDDEN), dtype=bool)
        expected[j] = True
        np.testing.assert_array_equal(changes(channel_mixing, x, (j,)), expected)


@pytest.mark.parametrize("name", MIXING)
def test_channel_mixing_reaches_every_channel(name: str) -> None:
    block = randomised(make(name, (2, 2)))
    reached = np.zeros((HIDDEN, HIDDEN), dtype=bool)
    for seed in range(8):  # several tokens: a ReLU may shut some of the paths of one
        token = noise(1, HIDDEN, seed=seed, dtype=torch.float64)
        reached |= np.array([changes(block.channel_mixing, token, (0, c))[0] for c in range(HIDDEN)])
    assert reached.all()


@pytest.mark.parametrize("grid", [grid for name, grid in CASES if name == "mlp"])
def test_mlp_mixes_no_tokens_and_all_channels(grid: tuple[int, ...]) -> None:
    """Of the whole block: what a token, or a single channel of it, changes is all channels of this token only."""
    tokens = torch.Size(grid).numel()
    block = randomised(make("mlp", grid))
    x = noise(tokens, HIDDEN, dtype=torch.float64)
    places: list[tuple[int, ...]] = [(j,) for j in range(tokens)]
    places += [(tokens // 2, channel) for channel in range(HIDDEN)]
    for place in places:
        expected = np.zeros((tokens, HIDDEN), dtype=bool)
        expected[place[0]] = True
        np.testing.assert_array_equal(changes(lambda tokens: block(tokens[None])[0], x, place), expected)


@pytest.mark.parametrize("name", sorted(CHANNELS_FIRST))
@pytest.mark.parametrize("grid", [(7,), (3, 5)])
def test_token_mixing_with_fixed_weights_stays_in_its_channel(name: str, grid: tuple[int, ...]) -> None:
    tokens = torch.Size(grid).numel()
    block = randomised(make(name, grid))
    x = noise(tokens, HIDDEN, dtype=torch.float64)
    for channel in range(HIDDEN):
        changed = changes(token_mixing(name, block), x, (slice(None), channel))
        assert changed[:, channel].any()
        changed[:, channel] = False
        assert not changed.any()


def test_mlp_mixer_shares_token_weights_between_channels() -> None:
    block = randomised(make("mlp_mixer", (7,)))
    x = noise(7, HIDDEN, dtype=torch.float64)
    order = torch.arange(HIDDEN - 1, -1, -1)
    mixing = token_mixing("mlp_mixer", block)
    torch.testing.assert_close(mixing(x[:, order]), mixing(x)[:, order])


def test_hyper_mixer_without_positions_follows_a_permutation_of_the_tokens() -> None:
    block = randomised(make("hyper_mixer", (7,)))
    x = noise(7, HIDDEN, dtype=torch.float64)
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    mixing = token_mixing("hyper_mixer", block)
    assert not torch.allclose(mixing(x[order]), mixing(x)[order])  # positions tell tokens apart
    block.token_mixing.positions.zero_()
    torch.testing.assert_close(mixing(x[order]), mixing(x)[order])


@pytest.mark.parametrize(
    ("grid", "regions", "kernel"),
    [((7, 7), 2, 5), ((7, 7), 2, 7), ((3, 5), 2, 3), ((8, 6), 4, 1), ((9, 4), 3, 3), ((1, 6), 2, 3)],
)
def test_ramlp_token_mixing_reaches_exactly_window_and_regions(
    grid: tuple[int, int], regions: int, kernel: int
) -> None:
    """A token sees the windows around the tokens of its place in every region, along rows and columns."""
    parameters = RaMLPParameters(channel_dim=4, regions=regions, kernel=kernel)  # type: ignore[arg-type]
    block = randomised(parameters.build(6, grid))
    rows, columns = grid
    x = noise(rows * columns, 6, dtype=torch.float64)
    seen_rows, seen_columns = (_seen(side, regions, kernel) for side in grid)
    for r in range(rows):
        for c in range(columns):
            changed = changes(token_mixing("ramlp", block), x, (r * columns + c,)).any(axis=1).reshape(grid)
            np.testing.assert_array_equal(changed, np.outer(seen_rows[:, r], seen_columns[:, c]))
    spans = all(kernel // 2 >= -(-side // min(regions, side)) - 1 for side in grid)
    if spans:  # whatever the place in it, the window covers the region: the whole grid is seen
        assert seen_rows.all()
        assert seen_columns.all()


@pytest.mark.parametrize(("grid", "kernel"), [((7, 7), 5), ((7, 7), 7), ((8, 8), 5), ((3, 5), 3)])
def test_ramlp_block_sees_the_whole_grid(grid: tuple[int, int], kernel: int) -> None:
    parameters = RaMLPParameters(channel_dim=4, kernel=kernel)  # type: ignore[arg-type]
    block = randomised(parameters.build(6, grid))
    x = noise(grid[0] * grid[1], 6, dtype=torch.float64)
    for j in range(len(x)):
        changed = changes(lambda tokens: block(tokens[None])[0], x, (j,)).any(axis=1)
        assert changed.all(), f"token {j} does not reach {np.flatnonzero(~changed)}"


def _seen(side: int, regions: int, kernel: int) -> np.ndarray:
    """[i, j]: along one axis, output i depends on input j."""
    places = -(-side // min(regions, side))
    seen = np.zeros((side, side), dtype=bool)
    for i in range(side):
        for mate in range(i % places, side, places):
            for j in range(mate - kernel // 2, mate + kernel // 2 + 1):
                if 0 <= j < side:
                    seen[i, j] = True
    return seen
