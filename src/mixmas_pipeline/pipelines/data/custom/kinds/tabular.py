"""Facts of a row: standardised numbers, ranks of those with heavy tails, what dates tell, and categories as 0 and 1."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom.cells import choose, numbers, stores_dates, words
from mixmas_pipeline.pipelines.data.custom.kinds.date_parts import learn_dates, prepare_dates
from mixmas_pipeline.pipelines.data.custom.kinds.ranks import Ranks, learn_ranks
from mixmas_pipeline.pipelines.data.custom.modalities import TabularParameters
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)
_MOST_MISTAKES = 20  # in an error
_NAMES = "; if its values are names, list the column under categories"


def learn(parameters: TabularParameters, rows: pd.DataFrame, source: None) -> dict[str, Any]:
    """Returns:
    columns: of the table, in order; numbers: column -> median, mean, std (after missing ones are the median), missing
    (whether any is), ranks (see ``Ranks``; None without heavy tails); dates: column -> what ``learn_dates`` returns;
    categories: column -> names, the most frequent of those that occur, sorted, and others, whether there are more.

    Raises:
        ValueError: a column is not there, has no value in any training row, or has text and is no category; the columns
            are dates that do not vary.
    """
    columns = choose(rows, parameters.columns)
    named, dated = choose(rows, parameters.categories), _dates(parameters, rows, columns)
    if others := [column for column in named if column not in columns]:
        raise ValueError(f"categories has {others[0]!r}, which is not among the columns {', '.join(columns)}")
    if both := [column for column in named if column in dated]:
        raise ValueError(f"the column {both[0]!r} is both under categories and under dates; expected one of them")
    found: dict[str, Any] = {"columns": columns, "numbers": {}, "dates": {}, "categories": {}}
    mistakes = []
    for column in columns:
        try:
            if rows[column].isna().all():
                raise ValueError(f"the column {column!r} is empty in all {len(rows)} training rows; leave it out")
            if column in named:
                found["categories"][column] = _categories(rows, column, parameters.most_categories)
            elif column in dated or stores_dates(rows[column]):
                found["dates"][column] = learn_dates(parameters, rows, column)
            else:
                found["numbers"][column] = _statistics(numbers(rows, column, _NAMES))
        except ValueError as error:
            mistakes.append(error)
    if mistakes:
        raise mistakes[0] if len(mistakes) == 1 else ValueError(_together(mistakes))
    if heavy := [column for column, known in found["numbers"].items() if known["ranks"]]:
        _log.info("%s: heavy tails; their ranks are inputs too", ", ".join(heavy), extra=LITERAL)
    vary = [known["days"] or known["circles"] or known["missing"] for known in found["dates"].values()]
    if not (found["numbers"] or found["categories"] or any(vary)):
        raise ValueError(f"the dates of {', '.join(columns)} are the same in all training rows; leave them out")
    return found


def prepare(parameters: TabularParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: None) -> Column:
    """(n, width) float32: the numbers, what the dates tell, whether each is missing that may be, the categories.

    A row whose columns are all empty lacks the modality, if that is optional.
    """
    missing = rows[learnt["columns"]].isna().to_numpy()
    parts: list[np.ndarray] = []
    absent: list[np.ndarray] = []
    names: list[str] = []
    lacking: list[str] = []
    for column, known in learnt["numbers"].items():
        values = numbers(rows, column, _NAMES)
        filled = np.where(np.isnan(values), known["median"], values)
        parts.append((filled - known["mean"]) / known["std"])
        names.append(column)
        if known["ranks"]:
            parts.append(Ranks(**known["ranks"]).of(filled))
            names.append(f"{column}: rank")
        if known["missing"]:
            absent.append(np.isnan(values))
            lacking.append(f"{column} is missing")
    for column, known in learnt["dates"].items():
        facts, empty = prepare_dates(parameters, known, rows, column)
        parts += facts.values()
        names += facts
        if known["missing"]:
            absent.append(empty)
            lacking.append(f"{column} is missing")
    count = len(parts)
    names += lacking
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
    # Numbers, ranks and dates first, then what says that they are missing, then categories.
    array = np.column_stack([*parts[:count], *absent, *parts[count:]]).astype(np.float32)
    present = ~missing.all(axis=1) if parameters.optional else np.ones(n, bool)
    array[~present] = 0
    return Column(array, present, Modality("tabular", array.shape[1:], "float32", features=tuple(names)))


def _together(mistakes: list[ValueError]) -> str:
    more = f"\n  and {len(mistakes) - _MOST_MISTAKES} more" if len(mistakes) > _MOST_MISTAKES else ""
    lines = "".join(f"\n  {mistake}" for mistake in mistakes[:_MOST_MISTAKES])
    return f"{len(mistakes)} columns cannot be used as they are:{lines}{more}"


def _dates(parameters: TabularParameters, rows: pd.DataFrame, columns: list[str]) -> list[str]:
    """The columns that the parameters call dates.

    Raises:
        ValueError: one is not among the modality's columns, or a format is that of none.
    """
    dated = choose(rows, parameters.dates)
    formats = parameters.date_format if isinstance(parameters.date_format, dict) else {}
    for key, named, known in (("dates", dated, columns), ("date_format", list(formats), dated)):
        if others := [column for column in named if column not in known]:
            where = "the columns" if key == "dates" else "the dates"
            raise ValueError(f"{key} has {others[0]!r}, which is not among {where} {', '.join(known)}")
    return dated


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
    ranks = learn_ranks(filled)
    return {
        "median": median,
        "mean": mean,
        "std": std if std > 1e-9 * max(1.0, abs(mean)) else 1.0,  # else it is rounding
        "missing": bool(np.isnan(values).any()),
        "ranks": ranks and asdict(ranks),
    }
