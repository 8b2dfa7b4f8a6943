"""Folds for cross-validation: stratified by label and presence; a group is in one fold."""

from __future__ import annotations

import numpy as np

from mixmas_pipeline.data.sampling import grouped_split, stratified_split
from mixmas_pipeline.data.table import GROUP, MultimodalTable
from mixmas_pipeline.evaluation.strata import strata_of


def assign_folds(table: MultimodalTable, folds: int, seed: int) -> np.ndarray:
    """The fold of every row, (n,) numbers from 0. Every fold has nearly the same size and label distribution.

    Rows with the same value of the extra column ``GROUP`` are in one fold.

    Args:
        folds: their number. With fewer groups there are as many folds as groups.
        seed: of the draw.

    Raises:
        ValueError: there are fewer than two rows or groups.
    """
    groups = groups_of(table)
    folds = min(folds, int(groups.max()) + 1)
    if folds < 2:
        raise ValueError(f"the {len(table)} rows are one group, which no fold may divide; expected at least two groups")
    return divide(strata_of(table)[0], groups, folds, seed)


def groups_of(table: MultimodalTable) -> np.ndarray:
    """(n,) numbers from 0, the same for rows that belong together; without groups each row has its own."""
    if GROUP not in table.extra:
        return np.arange(len(table))
    return np.unique(table.extra[GROUP].astype(str), return_inverse=True)[1]


def divide(strata: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of every row, (n,) numbers from 0: whole groups, with rows and strata spread evenly.

    Args:
        strata: (n, strata) booleans.
        groups: (n,) numbers from 0, at least ``folds`` of them.
        folds: their number.
        seed: of the draw.
    """
    if int(groups.max()) + 1 < len(groups):
        return grouped_split(strata, groups, [1 / folds] * (folds - 1), seed)[groups]
    sizes = [len(part) for part in np.array_split(np.arange(len(groups)), folds)]
    assigned = np.zeros(len(groups), np.int64)
    for number, rows in enumerate(stratified_split(strata, sizes[1:], seed), start=1):
        assigned[rows] = number
    return assigned
