"""Facts of a row: standardised numbers, and categories as 0 and 1."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom.cells import choose, numbers, words
from mixmas_pipeline.pipelines.data.custom.modalities import TabularParameters

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)
_NAMES = "; if its values are names, list the column under categories"


def learn(parameters: TabularParameters, rows: pd.DataFrame, source: None) -> dict[str, Any]:
    """Returns:
    columns: of the table, in order; numbers: column -> median, mean, std (after missing ones are the median),
    missing (whether any is); categories: column -> names, the most frequent of those that occur, sorted, and others,
    whether there are more.

    Raises:
        ValueError: a column is not there, has no value in any training row, or has text and is no category.
    """
    columns = choose(rows, parameters.columns)
    named = choose(rows, parameters.categories)
    if others := [column for column in named if column not in columns]:
        raise ValueError(f"categories has {others[0]!r}, which is not among the columns {', '.join(columns)}")
    found: dict[str, Any] = {"columns": columns, "numbers": {}, "categories": {}}
    for column in columns:
        if rows[column].isna().all():
            raise ValueError(f"the column {column!r} is empty in all {len(rows)} training rows; leave it out")
        if column in named:
            found["categories"][column] = _categories(rows, column, parameters.most_categories)
        else:
            found["numbers"][column] = _statistics(numbers(rows, column, _NAMES))
    return found


def prepare(parameters: TabularParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: None) -> Column:
    """(n, width) float32: the numbers, whether each is missing that may be, the categories.

    A row whose columns are all empty lacks the modality, if that is optional.
    """
    missing = rows[learnt["columns"]].isna().to_numpy()
    parts, absent, names = [], [], list(learnt["numbers"])
    for column, known in learnt["numbers"].items():
        values = numbers(rows, column, _NAMES)
        filled = np.where(np.isnan(values), known["median"], values)
        parts.append((filled - known["mean"]) / known["std"])
        if known["missing"]:
            absent.append(np.isnan(values))
            names.append(f"{column} is missing")
    for column, known in learnt["categories"].items():
        cells, own = words(rows, column), set(known["names"])
        others = np.array([cell is not None and cell not in own for cell in cells])
        if others.any() and not known["others"]:
            unseen = sorted({str(cells[row]) for row in np.flatnonzero(others)})
            _log.warning(
                "%s: training rows have no %s; they count as missing", column, ", ".join(map(repr, unseen[:5]))
            )
        parts += [np.array([cell == name for cell in cells]) for name in known["names"]]
        names += [f"{column}: {name}" for name in known["names"]]
        if known["others"]:
            parts.append(others)
            names.append(f"{column}: other")
    n = len(rows)
    # Numbers first, then what says that they are missing, then categories: a change of one moves no other's place.
    count = len(learnt["numbers"])
    array = np.column_stack([*parts[:count], *absent, *parts[count:]]).astype(np.float32)
    present = ~missing.all(axis=1) if parameters.optional else np.ones(n, bool)
    array[~present] = 0
    return Column(array, present, Modality("tabular", array.shape[1:], "float32", features=tuple(names)))


def _categories(rows: pd.DataFrame, column: str, most: int) -> dict[str, Any]:
    """The most frequent names; of equally frequent ones those that come first in their order."""
    counts = Counter(name for name in words(rows, column) if name is not None)
    chosen = sorted(counts, key=lambda name: (-counts[name], name))[:most]
    if len(counts) > most:
        rest = counts.total() - sum(counts[name] for name in chosen)
        _log.warning(
            "%s has %d categories; the %d most frequent have a value each, the others (%d of %d training rows) one "
            "together. The key most_categories sets how many",
            column, len(counts), most, rest, len(rows),
        )  # fmt: skip
    return {"names": sorted(chosen), "others": len(counts) > most}


def _statistics(values: np.ndarray) -> dict[str, Any]:
    median = float(np.nanmedian(values))
    filled = np.where(np.isnan(values), median, values)
    mean, std = float(filled.mean()), float(filled.std())
    return {
        "median": median,
        "mean": mean,
        "std": std if std > 1e-9 * max(1.0, abs(mean)) else 1.0,  # else it is rounding
        "missing": bool(np.isnan(values).any()),
    }
