"""Folds of a reference's rows: whole groups, and none where there is one group only."""

from __future__ import annotations

import numpy as np
from reference_fits import noise, table

from mixmas_pipeline.data.table import GROUP
from mixmas_pipeline.training.reference_problem import make_folds
from mixmas_pipeline.training.references import fit_reference


def test_groups_are_never_in_two_folds() -> None:
    rows, groups = table(noise(60), np.arange(60) % 3), np.repeat(np.arange(12), 5)
    rows.extra[GROUP] = groups
    folds = make_folds(rows, np.arange(60), 0)
    assert len(folds) == 5
    assert sorted(np.concatenate(folds)) == list(range(60))
    for fold in folds:
        assert not set(groups[fold]) & set(np.delete(groups, fold))
    rows.extra[GROUP] = np.zeros(60)
    assert make_folds(rows, np.arange(60), 0) == []


def test_folds_of_some_rows_are_positions_among_them() -> None:
    rows = table(noise(60), np.arange(60) % 3)
    folds = make_folds(rows, np.arange(20, 50), 0)
    assert sorted(np.concatenate(folds)) == list(range(30))


def test_copies_in_one_group_do_not_fool_the_choice_of_the_penalty() -> None:
    copies = table(np.repeat(noise(30, 50), 4, axis=0), np.repeat(np.arange(30) % 3, 4))
    fooled = fit_reference("linear", copies, ("facts",), 0)
    copies.extra[GROUP] = np.repeat(np.arange(30), 4)
    honest = fit_reference("linear", copies, ("facts",), 0)
    assert honest.architecture.penalty > fooled.architecture.penalty  # type: ignore[operator]
