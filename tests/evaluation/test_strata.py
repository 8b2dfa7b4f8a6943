"""The strata that samples keep in proportion."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.data.sampling import stratified_split, worst_imbalance
from mixmas_pipeline.evaluation.strata import label_strata


@settings(max_examples=40)
@given(seed=st.integers(0, 2**16), rows=st.integers(10, 700), ties=st.booleans())
def test_ranges_part_each_target_s_values_in_order(seed: int, rows: int, ties: bool) -> None:
    """Every example is in one range of each target; ranges do not overlap, and without ties are equally large."""
    rng = np.random.default_rng(seed)
    labels = 1e6 + rng.exponential(size=(rows, 2))
    if ties:
        labels = np.floor(labels)
    strata, names = label_strata("regression", labels, ("a", "b"))
    assert len(names) == strata.shape[1] == len(set(names))
    for t, target in enumerate("ab"):
        own = strata[:, [name.startswith(f"{target} ") for name in names]]
        assert (own.sum(axis=1) == 1).all()
        ends = [(labels[column, t].min(), labels[column, t].max()) for column in own.T]
        assert all(before[1] < after[0] for before, after in pairwise(ends))
        if not ties:
            assert np.ptp(own.sum(axis=0)) <= 2
            assert own.shape[1] == min(10, max(2, rows // 30))


def test_a_sample_has_the_same_distribution_of_every_target() -> None:
    labels = np.random.default_rng(1).lognormal(size=(2000, 2))
    strata, _ = label_strata("regression", labels, ("a", "b"))
    (rows,) = stratified_split(strata, [300], 0)
    assert worst_imbalance(strata, rows)[0] < 0.01
    for t in range(2):
        cuts = np.quantile(labels[:, t], np.linspace(0, 1, 11))
        share = np.histogram(labels[rows, t], cuts)[0] / 300
        assert np.abs(share - 0.1).max() < 0.02
