"""Empty cells of a file of the user, before anything is filled in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixmas_pipeline.pipelines.data.custom.cells import DATE, RESERVED, CellError, choose, words
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.pipelines.data.custom.reading import own_columns
from mixmas_pipeline.pipelines.describe.findings import finding, standard_errors
from mixmas_pipeline.pipelines.describe.leaks import GROUP
from mixmas_pipeline.pipelines.describe.results import Finding

_MOSTLY_EMPTY = 0.5
_DIFFERENCE = 0.1  # of shares
_SURE = 4.0  # standard errors
# What names may be, as pandas calls it: no dates, truth values or lists.
_NAMES = ("string", "bytes", "integer", "floating", "categorical")
_LARGEST = 20  # mean number of training rows per group; a column with larger groups is a category


def cell_facts(splits: dict[str, pd.DataFrame]) -> dict[str, dict[str, float]]:
    """Column -> split -> share of its cells that are empty, for columns with empty cells."""
    shares = pd.DataFrame({split: rows.isna().mean() for split, rows in splits.items()})
    facts: dict[str, dict[str, float]] = shares[shares.any(axis=1)].to_dict("index")
    return facts


def cell_findings(facts: dict[str, dict[str, float]], rows: dict[str, int]) -> list[Finding]:
    """Columns that are mostly empty, and columns that are emptier in one split than in another.

    Args:
        facts: as of ``cell_facts``.
        rows: split -> rows.
    """
    findings = []
    for column, shares in facts.items():
        usual = shares["train"]
        if usual > _MOSTLY_EMPTY:
            what = f"{usual:.1%} of the cells of column {column!r} are empty"
            advice = "Is the column useful? Few of its cells hold information"
            findings.append(finding("warning", what, advice, split="train", count=round(usual * rows["train"])))
        for split in ("validation", "test"):
            errors = standard_errors(shares[split], rows[split], usual, rows["train"])
            if abs(shares[split] - usual) > _DIFFERENCE and errors > _SURE:
                what = f"{shares[split]:.1%} of the cells of column {column!r} are empty, and {usual:.1%} in training"
                count = round(shares[split] * rows[split])
                findings.append(finding("warning", what, "Find out why the splits differ", split=split, count=count))
    return findings


def group_columns(splits: dict[str, pd.DataFrame], table: TableParameters) -> dict[str, dict[str, np.ndarray]]:
    """Columns that no modality uses and that may say which rows belong together: texts, and whole numbers with a name
    such as "patient".

    Returns:
        Split -> column -> its cells, "" for an empty one.
    """
    train = splits["train"]
    used = {*RESERVED, *table.used}
    used.update(*(choose(train, own_columns(modality)) for modality in table.modalities.values()))
    unused = train.columns.difference(sorted(used))
    names = [column for column in unused if _may_name_groups(train, column)]
    return {
        split: {column: np.array([word or "" for word in words(rows, column)], dtype=object) for column in names}
        for split, rows in splits.items()
    }


def _may_name_groups(train: pd.DataFrame, column: str) -> bool:
    if pd.api.types.infer_dtype(train[column]) not in _NAMES:
        return False
    try:
        cells = pd.Series(words(train, column), dtype=object)
    except CellError:  # numbers that are too large to be names
        return False
    if cells.dropna().map(lambda cell: DATE.fullmatch(cell) is not None).all():
        return False
    numbers = pd.to_numeric(cells, errors="coerce")
    fractions = (numbers % 1 != 0) & numbers.notna()
    if fractions.any() or cells.nunique() * _LARGEST < len(train):
        return False
    only_numbers = numbers.notna().equals(cells.notna())
    return not only_numbers or GROUP.search(column) is not None
