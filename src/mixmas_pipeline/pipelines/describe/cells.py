"""Empty cells of the file that a data set of the user's own was made from, before anything was filled in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixmas_pipeline.pipelines.data.custom.cells import RESERVED, choose, words
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.pipelines.data.custom.reading import own_columns
from mixmas_pipeline.pipelines.describe.findings import finding, standard_errors
from mixmas_pipeline.pipelines.describe.leaks import GROUP

_MOST = 0.5
_APART = 0.1
_SURE = 4.0  # standard errors
# What names may be, as pandas calls it: no dates, truth values or lists.
_NAMES = ("string", "bytes", "integer", "floating", "categorical")
_LARGEST = 20  # training rows of a group, on average; what has more is a category


def cell_facts(splits: dict[str, pd.DataFrame]) -> dict[str, dict[str, float]]:
    """Column -> split -> share of its cells that are empty, of the columns in which some are."""
    shares = pd.DataFrame({split: rows.isna().mean() for split, rows in splits.items()})
    found: dict[str, dict[str, float]] = shares[shares.any(axis=1)].to_dict("index")
    return found


def cell_findings(facts: dict[str, dict[str, float]], rows: dict[str, int]) -> list[dict[str, Any]]:
    """Columns that are mostly empty, and those that are empty more often in one split than in another.

    Args:
        facts: as of ``cell_facts``.
        rows: of each split.
    """
    found = []
    for column, shares in facts.items():
        usual = shares["train"]
        if usual > _MOST:
            what = f"{usual:.1%} of the cells of column {column!r} are empty"
            advice = "What is filled in says little: is the column worth it?"
            found.append(finding("warning", what, advice, split="train", count=round(usual * rows["train"])))
        for split in ("validation", "test"):
            apart = standard_errors(shares[split], rows[split], usual, rows["train"])
            if abs(shares[split] - usual) > _APART and apart > _SURE:
                what = f"{shares[split]:.1%} of the cells of column {column!r} are empty, and {usual:.1%} in training"
                count = round(shares[split] * rows[split])
                found.append(finding("warning", what, "Find out why the splits differ", split=split, count=count))
    return found


def group_columns(splits: dict[str, pd.DataFrame], table: TableParameters) -> dict[str, dict[str, np.ndarray]]:
    """Columns that nothing is made of and that may say which rows belong together: texts, and whole numbers whose name
    says so.

    Returns:
        Split -> column -> its cells, "" where one is empty.
    """
    train = splits["train"]
    used = {*RESERVED, *table.used}
    used.update(*(choose(train, own_columns(modality)) for modality in table.modalities.values()))
    found: dict[str, dict[str, np.ndarray]] = {split: {} for split in splits}
    for column in train.columns.difference(sorted(used)):
        if pd.api.types.infer_dtype(train[column]) not in _NAMES:
            continue
        cells = pd.Series(words(train, column), dtype=object)
        numbers = pd.to_numeric(cells, errors="coerce")
        fractions = (numbers % 1 != 0) & numbers.notna()
        if fractions.any() or cells.nunique() * _LARGEST < len(train):
            continue
        if numbers.notna().equals(cells.notna()) and not GROUP.search(column):
            continue
        for split, rows in splits.items():
            found[split][column] = np.array([word or "" for word in words(rows, column)], dtype=object)
    return found
