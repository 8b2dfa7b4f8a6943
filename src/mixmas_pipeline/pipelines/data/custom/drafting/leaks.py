"""Columns that give the label away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import numbers
from mixmas_pipeline.pipelines.data.custom.drafting.columns import ColumnFacts, Kind, as_words
from mixmas_pipeline.pipelines.data.custom.drafting.messages import shown
from mixmas_pipeline.pipelines.data.custom.drafting.target import Target
from mixmas_pipeline.pipelines.describe.leaks import Strength, correlations, lookups, rankings
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_REPEATED = 2  # cells per value; numbers that all differ stand for those of any other such column
_FEWEST = 20  # rows, of fewer a column may agree with the label by chance


def find_leaks(rows: pd.DataFrame, target: Target, columns: dict[str, ColumnFacts]) -> dict[str, str]:
    """Columns that have the label in other words, or from which it follows: column -> why.

    The measures are those of ``describe``: a column with few values, each of which has one label; for two classes also
    a number that ranks the rows perfectly; for targets one that is perfectly correlated.
    """
    names = [
        name
        for name, column in columns.items()
        if column.kind in (Kind.NUMBERS, Kind.NAMES, Kind.BOOLEANS, Kind.TEXTS) and column.distinct > 1
    ]
    if not names or len(rows) < _FEWEST:
        return {}
    codes = {name: _codes(rows[name]) for name in names}
    truths = {label: _codes(rows[label]) for label in target.labels}
    found = {
        name: f"the label in other words: each value of {shown(name)} stands for one value of {shown(label)}"
        for name in names
        for label, truth in truths.items()
        if columns[name].repeated >= _REPEATED and np.array_equal(codes[name], truth)
    }
    labels, classes = target.encoded(rows)
    amounts = [name for name in names if columns[name].kind in (Kind.NUMBERS, Kind.BOOLEANS)]
    values = np.column_stack([_filled(rows, name) for name in amounts]) if amounts else np.zeros((len(rows), 0))
    strengths: list[tuple[str, Strength]] = []
    if target.task == "regression":
        strengths += [(amounts[s.feature], s) for s in (correlations(values, labels, classes) if amounts else [])]
    else:
        matrix = np.column_stack([codes[name] for name in names]).astype(np.float64)
        strengths += [(names[s.feature], s) for s in lookups(matrix, labels, target.task, classes)]
    if target.task == "binary" and amounts:
        strengths += [(amounts[s.feature], s) for s in rankings(values, labels, target.task, classes)]
    for name, strength in strengths:
        if strength.enough:
            tells = f"alone it predicts {strength.tells}" if target.task == "multilabel" else "alone it tells the label"
            found.setdefault(name, f"{tells} ({strength.measure} {strength.score:.3f})")
    return found


def _codes(cells: pd.Series) -> np.ndarray:
    """(n,) a number per value, by first appearance; -1 where the cell is empty."""
    filled = cells.dropna()
    numbers = pd.to_numeric(filled, errors="coerce")
    values = numbers if numbers.notna().all() else as_words(filled)
    return pd.factorize(values.reindex(cells.index))[0]


def _filled(rows: pd.DataFrame, name: str) -> np.ndarray:
    values = numbers(rows, name)
    return np.where(np.isnan(values), np.nanmedian(values), values)
