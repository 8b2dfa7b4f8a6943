"""Which rows are trained on, which are for validation, and which for the test."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import CellError, words
from mixmas_pipeline.pipelines.data.custom.labels import encode, learn_classes
from mixmas_pipeline.pipelines.data.custom.parameters import FractionParameters, Split, TableParameters

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def split(rows: pd.DataFrame, table: TableParameters) -> np.ndarray:
    """(n,) names of the splits.

    Raises:
        ValueError: a split is empty; a cell of the split's column has no split; a group is in two.
    """
    groups = _groups(rows, table.split.group)
    if table.split.fractions is not None:
        found = _drawn(rows, table, table.split.fractions, groups)
    else:
        found = _written(rows, table)
    for name in SPLITS:
        if not (found == name).any():
            raise ValueError(f"no row is in the split {name!r}, of {len(rows)}; expected some in each")
    if table.split.group is not None:
        _check_groups(rows, table.split.group, groups, found)
    return found


def _written(rows: pd.DataFrame, table: TableParameters) -> np.ndarray:
    column = table.split.column
    assert column is not None  # else there are fractions
    values = table.split.values
    places = {word: name for name in SPLITS for word in (values[name] if values else (name,))}
    found = []
    for position, cell in enumerate(words(rows, column)):
        if cell not in places:
            shown = "nothing" if cell is None else repr(cell)
            expected = f"expected one of {', '.join(map(repr, places))}"
            hint = "" if table.split.values else "; other words can be named under table.split.values"
            raise CellError(rows, position, column, f"found {shown}; {expected}{hint}")
        found.append(places[cell])
    return np.array(found)


def _drawn(rows: pd.DataFrame, table: TableParameters, shares: FractionParameters, groups: np.ndarray) -> np.ndarray:
    """Whole groups are dealt out, of rows without groups each row, so that every label is spread evenly."""
    from mixmas_pipeline.data.sampling import grouped_split, stratified_split
    from mixmas_pipeline.evaluation.strata import label_strata

    classes = learn_classes(rows, table)
    strata, _ = label_strata(table.task, encode(rows, table, classes), tuple(classes))
    if table.split.group is not None:
        of_group = grouped_split(strata, groups, [shares.validation, shares.test], table.split.seed)
        found = np.array(SPLITS)[of_group][groups]
        reached = ", ".join(f"{name} {np.mean(found == name):.0%}" for name in SPLITS)
        _log.info("Whole groups of %r were drawn: %s of %d rows", table.split.group, reached, len(rows))
        return found
    sizes = [round(share * len(rows)) for share in (shares.validation, shares.test)]
    found = np.full(len(rows), "train", dtype="<U10")
    for name, drawn in zip(SPLITS[1:], stratified_split(strata, sizes, table.split.seed), strict=True):
        found[drawn] = name
    return found


def _groups(rows: pd.DataFrame, column: str | None) -> np.ndarray:
    """(n,) numbers from 0: rows of a group have the same."""
    if column is None:
        return np.arange(len(rows))
    numbers: dict[object, int] = {}
    keys = [(name,) if name is not None else position for position, name in enumerate(words(rows, column))]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])


def _check_groups(rows: pd.DataFrame, column: str, groups: np.ndarray, found: np.ndarray) -> None:
    first: dict[int, int] = {}
    for position, group in enumerate(groups):
        other = first.setdefault(int(group), position)
        if found[other] != found[position]:
            raise CellError(
                rows,
                position,
                column,
                f"the group {rows[column].iloc[position]!r} is in {found[position]}, and with row "
                f"{rows.index[other]} in {found[other]}; expected a group in one split",
            )
