"""Dropout: how much it drops, that it keeps the mean, and that its gradient is its own mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import vmap

from mixmas_pipeline.models.blocks import layers
from mixmas_pipeline.models.blocks.layers import Dropout


@pytest.mark.parametrize("p", [0.001, 0.1, 0.37, 0.5, 0.9, 0.999])
def test_drops_its_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(3)
    n = 1 << 20
    y = Dropout(p).train()(torch.ones(n))
    expected = min(255, max(1, round(256 * p))) / 256
    error = (expected * (1 - expected) / n) ** 0.5
    assert (y == 0).double().mean().item() == pytest.approx(expected, abs=5 * error)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - expected)])


def test_neighbours_and_places_in_a_draw_are_independent() -> None:
    """Eight values share a draw of 64 bits: no place may be dropped more often, no two together."""
    torch.manual_seed(4)
    dropped = (Dropout(0.25).train()(torch.ones(1 << 17, 8)) == 0).double()
    assert dropped.mean(dim=0).tolist() == pytest.approx([0.25] * 8, abs=0.007)
    together = torch.corrcoef(dropped.T) - torch.eye(8)
    assert together.abs().max() < 0.015


@given(st.integers(1, 40), st.integers(1, 9))
def test_any_shape_and_the_gradient_is_the_mask(rows: int, columns: int) -> None:
    x = torch.randn(rows, columns, requires_grad=True)
    y = Dropout(0.5).train()(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(y.detach(), x.detach() * x.grad)
    assert set(x.grad.unique().tolist()) <= {0.0, 2.0}


def test_nothing_is_dropped_in_eval_mode_or_at_0() -> None:
    x = torch.randn(5, 7)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


def test_depends_on_the_seed_only() -> None:
    x, results = torch.ones(100), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(Dropout(0.5).train()(x))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_bytes_without_a_view_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacked models have no view of other bytes before torch 2.13; what is dropped must not depend on that."""
    draws = torch.randint(-(2**63), 2**63 - 1, (1000,))
    assert torch.equal(layers._shifted(draws).to(torch.uint8), draws.view(torch.uint8))
    results = []
    for as_bytes in (layers._as_bytes, layers._shifted):
        monkeypatch.setattr(layers, "_as_bytes", as_bytes)
        torch.manual_seed(5)
        results.append(Dropout(0.3).train()(torch.ones(99)))
    assert torch.equal(*results)


def test_keeps_the_type() -> None:
    assert Dropout(0.5).train()(torch.ones(4, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_models_side_by_side_draw_their_own() -> None:
    dropout = Dropout(0.5).train()
    first, second = vmap(dropout, randomness="different")(torch.ones(2, 200))
    assert not torch.equal(first, second)
