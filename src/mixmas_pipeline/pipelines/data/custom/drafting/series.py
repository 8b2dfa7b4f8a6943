"""Columns that are numbered, ``hr_0 ... hr_23``: series, embeddings, or features of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import numbers

if TYPE_CHECKING:
    import pandas as pd

_FEWEST = 4  # columns of a block
_NUMBERED = re.compile(r"(.*?)[ _.\-]?(\d+)")
# What a series' columns are named after, as the last word before the number.
_STEPS = {
    *("hr", "hour", "time", "step", "day", "week", "wk", "month", "min", "minute", "sec", "second", "year", "yr"),
    *("lag", "visit", "wave", "quarter", "frame", "tick"),
}
_PIXELS = {"pix", "pixel", "pixels", "px"}  # neighbours in a picture, which has two directions
_VECTORS = {"emb", "embed", "embedding", "embeddings", "vec", "vector", "latent"}
_SMOOTH, _FALLS = 0.5, 0.02  # correlation of neighbours, and how much less that of distant columns is
_LEVELS, _SCALES = 10.0, 8.0  # how far the columns' means (in deviations) and deviations (as a ratio) lie apart
_FEWEST_SMOOTH = 8  # columns: of fewer, items of a questionnaire are correlated like that too
_ROWS = 20_000


@dataclass(frozen=True)
class Block:
    """Numbered columns.

    Attributes:
        prefix: before the numbers.
        columns: by number.
        numbers: of the columns.
    """

    prefix: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]

    @property
    def is_even(self) -> bool:
        """Whether the numbers are equally far apart."""
        return len({b - a for a, b in zip(self.numbers, self.numbers[1:], strict=False)}) == 1

    @property
    def last_word(self) -> str:
        """The last word of the prefix, in small letters."""
        words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.prefix).lower())
        return words[-1] if words else ""


def blocks(columns: Iterable[str]) -> list[Block]:
    """The numbered columns, by what stands before the number; each with at least four columns."""
    found: dict[str, dict[int, str]] = {}
    for column in columns:
        if match := _NUMBERED.fullmatch(column):
            found.setdefault(match[1], {}).setdefault(int(match[2]), column)
    return [
        Block(prefix, tuple(named[n] for n in sorted(named)), tuple(sorted(named)))
        for prefix, named in found.items()
        if len(named) >= _FEWEST
    ]


def is_embedding(block: Block) -> bool:
    """Whether the name says that the columns are one vector."""
    return block.last_word in _VECTORS


def is_series(rows: pd.DataFrame, block: Block) -> bool:
    """Whether the columns are steps of one quantity: all of one scale, and named like steps, or such that neighbours
    are correlated and distant columns less so."""
    if not block.is_even or block.last_word in _PIXELS:
        return False
    values = np.column_stack([numbers(rows, column)[:_ROWS] for column in block.columns])
    values = values[:, ~np.isnan(values).all(axis=0)]
    if values.shape[1] < _FEWEST or len(values) < _FEWEST:
        return False
    values = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    deviations, means = values.std(axis=0), values.mean(axis=0)
    usual = float(np.median(deviations))
    if not usual or deviations.max() > _SCALES * usual or np.ptp(means) > _LEVELS * usual:
        return False
    if block.last_word in _STEPS:
        return True
    values = values[:, deviations > 0]
    if values.shape[1] < _FEWEST_SMOOTH:
        return False
    with np.errstate(invalid="ignore"):
        correlations = np.corrcoef(values, rowvar=False)
    near = float(np.median(np.diag(correlations, 1)))
    far = float(np.median(np.diag(correlations, values.shape[1] // 2)))
    return near >= _SMOOTH and far < near - _FALLS
