"""Dropped modalities: how often, and that one always stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.modality_dropout import drop_modalities

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), epoch=st.integers(0, 50), dropout=st.floats(0.0, 0.99), rows=st.integers(1, 40))
def test_something_of_every_row_stays_and_nothing_is_made_up(seed: int, epoch: int, dropout: float, rows: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c")
    present = {"a": rng.random(rows) < 0.5, "b": rng.random(rows) < 0.5}
    schema = TableSchema(
        {n: Modality("tabular", (1,), "float32", optional=n in present) for n in names}, "multiclass", ("x", "y")
    )
    arrays = {n: np.zeros((rows, 1), np.float32) for n in names}
    table = MultimodalTable(schema, arrays, np.zeros(rows, int), [str(i) for i in range(rows)], present=present)
    found = drop_modalities(table, names, dropout, seed, epoch)
    if dropout == 0:
        assert set(found) == set(present)
        assert all((found[n] == present[n]).all() for n in present)
        return
    stays = np.stack([found[n] for n in names])
    assert stays.any(axis=0).all()
    assert not (found["a"] & ~present["a"]).any()
    assert not (found["b"] & ~present["b"]).any()
    again = drop_modalities(table, names, dropout, seed, epoch)
    assert all((found[n] == again[n]).all() for n in names)


@pytest.mark.parametrize("dropout", [0.2, 0.7])
def test_modalities_are_dropped_as_often_as_said_and_independently(make_table: MakeTable, dropout: float) -> None:
    """Of two, both are dropped with probability p^2: then one of them stays, each as likely."""
    table = make_table(20000)
    found = drop_modalities(table, ("image", "series"), dropout, 0, 0)
    both = found["image"] & found["series"]
    assert both.mean() == pytest.approx((1 - dropout) ** 2, abs=0.015)
    for name in found:
        assert found[name].mean() == pytest.approx(1 - dropout + dropout**2 / 2, abs=0.015)
    others = [drop_modalities(table, ("image", "series"), dropout, *other)["image"] for other in ((0, 1), (1, 0))]
    for other in others:
        agree = found["image"].mean() ** 2 + (1 - found["image"].mean()) ** 2
        assert (found["image"] == other).mean() == pytest.approx(agree, abs=0.02)


def test_the_only_modality_is_never_dropped(make_table: MakeTable) -> None:
    assert drop_modalities(make_table(20), ("image",), 0.9, 0, 0) == {}
