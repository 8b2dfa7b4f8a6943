"""Folds: every row in one, labels spread evenly, groups whole."""

from __future__ import annotations

import numpy as np
import pytest
from training_samples import table

from mixmas_pipeline.data.table import GROUP
from mixmas_pipeline.training.folds import assign_folds


def test_sizes_and_labels_are_even() -> None:
    rows = table(203, 0)
    folds = assign_folds(rows, 5, 7)
    sizes = np.bincount(folds)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= 1
    for label in range(3):
        counts = np.bincount(folds[rows.labels == label], minlength=5)
        assert counts.max() - counts.min() <= 2


def test_group_is_in_one_fold() -> None:
    rows = table(120, 0)
    rows.extra[GROUP] = np.repeat([f"g{i}" for i in range(40)], 3)
    folds = assign_folds(rows, 5, 7)
    assert len(np.unique(folds)) == 5
    for group in np.unique(rows.extra[GROUP]):
        assert len(set(folds[rows.extra[GROUP] == group])) == 1


def test_folds_of_unequal_groups_have_rows_and_labels_evenly() -> None:
    """By numbers of groups, the folds had from 45 to 93 rows."""
    sizes = np.array([1, 2, 3, 5, 8, 13, 21, 34] * 3)
    rows = table(int(sizes.sum()), 0)
    rows.extra[GROUP] = np.repeat(np.arange(len(sizes)), sizes)
    folds = assign_folds(rows, 4, 7)
    assert np.abs(np.bincount(folds) - len(rows) / 4).max() < 0.1 * len(rows) / 4
    for label in range(3):
        counts = np.bincount(folds[rows.labels == label], minlength=4)
        assert np.abs(counts - counts.mean()).max() < 0.25 * counts.mean()


def test_draw_follows_the_seed() -> None:
    rows = table(60, 0)
    np.testing.assert_array_equal(assign_folds(rows, 5, 1), assign_folds(rows, 5, 1))
    assert (assign_folds(rows, 5, 1) != assign_folds(rows, 5, 2)).any()


def test_few_groups_make_few_folds() -> None:
    rows = table(30, 0)
    rows.extra[GROUP] = np.array(["a", "b", "c"] * 10)
    assert set(assign_folds(rows, 5, 0)) == {0, 1, 2}
    rows.extra[GROUP] = np.array(["a"] * 30)
    with pytest.raises(ValueError, match="expected at least two"):
        assign_folds(rows, 5, 0)
