"""Numbers over time: standardised, with what is missing filled in."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom.cells import DATE, ID, CellError, check_column, choose, numbers, plain, words
from mixmas_pipeline.pipelines.data.custom.formats.columns import as_texts
from mixmas_pipeline.pipelines.data.custom.kinds.arrays import check_finite, read_array
from mixmas_pipeline.pipelines.data.custom.modalities import TimeSeriesParameters
from mixmas_pipeline.pipelines.data.custom.numerals import is_plain, with_plain_numbers
from mixmas_pipeline.pipelines.data.custom.reading import name_rows, read_file
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


_log = logging.getLogger(__name__)


class _Series(NamedTuple):
    """Attributes:
    values: (n, steps, features) float64; NaN where nothing was measured.
    there: (n, steps) truth values: which steps a series has; the others are padding.
    """

    values: np.ndarray
    there: np.ndarray


def learn(parameters: TimeSeriesParameters, rows: pd.DataFrame, source: Path | None) -> dict[str, Any]:
    """Returns:
    columns: of the table, in order; steps; features: name -> median, and mean and std after filling in.

    Raises:
        ValueError: a column, file or array is not there or has no numbers; groups have different numbers of columns; no
            training row has a value of a feature.
    """
    if parameters.groups:
        chosen = {name: choose(rows, patterns) for name, patterns in parameters.groups.items()}
        lengths = {name: len(columns) for name, columns in chosen.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the groups have different numbers of columns, {lengths}; expected one a step")
        features, columns = list(chosen), [column for of in chosen.values() for column in of]
    elif parameters.columns and parameters.file is None:
        features, columns = ["value"], choose(rows, parameters.columns)
    else:
        features, columns = list(parameters.columns), []
    series = _read(parameters, columns, None, rows, source)
    features = features or [f"feature {i}" for i in range(series.values.shape[2])]
    seen = [series.values[..., i][~np.isnan(series.values[..., i])] for i in range(len(features))]
    for name, values in zip(features, seen, strict=True):
        if not len(values):
            raise ValueError(f"no training row has a value of {name!r}; leave it out")
    medians = np.array([np.median(values) for values in seen])
    filled = _filled(series.values, medians)[series.there]
    found = zip(features, medians, filled.mean(axis=0), filled.std(axis=0), strict=True)
    return {
        "columns": columns,
        "steps": series.values.shape[1],
        "features": {
            name: {
                "median": float(median),
                "mean": float(mean),
                "std": float(std) if std > 1e-9 * max(1.0, abs(mean)) else 1.0,  # else it is rounding
            }
            for name, median, mean, std in found
        },
    }


def prepare(
    parameters: TimeSeriesParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: Path | None
) -> Column:
    """(n, steps, width) float32: the features; with ``mask`` whether each was measured; of a file of its own whether
    the step is there. A row without any value lacks the modality.

    Raises:
        ValueError: as ``learn``; a series of another shape than the training rows'.
    """
    statistics = list(learnt["features"].values())
    shape = (learnt["steps"], len(statistics))
    values, there = _read(parameters, learnt["columns"], shape, rows, source)
    if values.shape[1:] != shape:
        raise ValueError(f"each row's series has the shape {values.shape[1:]}; the training rows' have {shape}")
    median, mean, std = (np.array([entry[key] for entry in statistics]) for key in ("median", "mean", "std"))
    parts = [(_filled(values, median) - mean) / std]
    if parameters.mask:
        parts.append(~np.isnan(values))
    if parameters.file is not None:  # a step whose values are all the mean is no padding
        parts.append(there[..., None])
    array = np.concatenate(parts, axis=2).astype(np.float32)
    present = ~np.isnan(values).all(axis=(1, 2))
    array[~(there & present[:, None])] = 0
    return Column(
        array, present, Modality("time_series", array.shape[1:], "float32", padded=parameters.file is not None)
    )


def _read(
    parameters: TimeSeriesParameters,
    columns: list[str],
    shape: tuple[int, int] | None,
    rows: pd.DataFrame,
    source: Path | None,
) -> _Series:
    if parameters.file is not None:
        assert source is not None  # the file
        return _from_file(parameters, rows, source)
    if parameters.array is not None:
        assert source is not None  # the table
        array = read_array(source, parameters.array, rows, optional=parameters.optional and shape is not None)
        values = np.full((len(rows), *(shape or ())), np.nan) if array is None else array.astype(np.float64)
        if values.ndim == 2:
            values = values[..., None]
        if values.ndim != 3:
            raise ValueError(
                f"the array {parameters.array!r} has rows of the shape {values.shape[1:]}; expected (steps, features)"
            )
        check_finite(rows, values, parameters.array)
    else:
        flat = np.column_stack([numbers(rows, column) for column in columns])
        values = flat.reshape(len(rows), max(1, len(parameters.groups)), -1).swapaxes(1, 2)
    return _Series(values, np.ones(values.shape[:2], bool))


def _from_file(parameters: TimeSeriesParameters, rows: pd.DataFrame, file: Path) -> _Series:
    assert parameters.id is not None  # checked by the parameters
    assert parameters.time is not None
    assert parameters.steps is not None
    try:
        stored = read_file(file, parameters, [parameters.id])
        frame = name_rows(as_texts(stored), None)
        for column, key in (
            (parameters.id, "id"),
            (parameters.time, "time"),
            *((c, "columns") for c in parameters.columns),
        ):
            check_column(frame, column, key)
        if not is_plain(parameters):
            written = [*parameters.columns, *([] if _has_dates(frame[parameters.time]) else [parameters.time])]
            frame = with_plain_numbers(frame, stored, written, parameters)
        places = dict(zip(rows[ID], range(len(rows)), strict=True))
        named = words(frame, parameters.id)
        where = np.array([places.get(name, -1) for name in named])
        if (where < 0).all():
            raise ValueError(
                f"no id in the column {parameters.id!r} is that of a row: found for example {named[0]!r}; the rows' "
                f"are for example {rows[ID].iloc[0]!r}"
            )
        _report_unfound(rows, named, file)
        moments = read_times(frame, parameters.time)
        order = np.lexsort((moments, where))  # stable: steps of the same moment stay in the order of the file
        order = order[where[order] >= 0]
        frame, where, moments = frame.iloc[order], where[order], moments[order]
        measured = np.column_stack([numbers(frame, column) for column in parameters.columns])
        again = np.append(False, (where[1:] == where[:-1]) & (moments[1:] == moments[:-1]))
        if again.any():
            measured = _merged(parameters, frame, measured, again)
            where = where[~again]
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from error
    # Rows of a place stand together: a row's step is how far it is from the first of them.
    step = np.arange(len(where)) - np.searchsorted(where, where)
    if parameters.keep == "last":
        step = step - np.maximum(0, np.bincount(where, minlength=len(rows)) - parameters.steps)[where]
    taken = (step >= 0) & (step < parameters.steps)
    values = np.full((len(rows), parameters.steps, measured.shape[1]), np.nan)
    values[where[taken], step[taken]] = measured[taken]
    there = np.zeros(values.shape[:2], bool)
    there[where[taken], step[taken]] = True
    return _Series(values, there)


def _report_unfound(rows: pd.DataFrame, named: list[str | None], file: Path) -> None:
    """Log how many rows have no step.

    Args:
        named: the ids in the file.

    Raises:
        CellError: a row's id is there in another spelling.
    """
    ids, known = {name for name in named if name is not None}, set(rows[ID])
    unfound = np.flatnonzero([name not in ids for name in rows[ID]])
    if not len(unfound):
        return
    spellings = {plain(name): name for name in sorted(ids - known)}
    for position in unfound:
        own = rows[ID].iloc[position]
        if (other := spellings.get(plain(own))) is not None:
            raise CellError(rows, int(position), "", f"no step has its id, but {other!r}; expected the same spelling")
    shown = ", ".join(repr(rows[ID].iloc[position]) for position in unfound[:3])
    _log.warning("%d of %d rows have no step in %s, for example %s", len(unfound), len(rows), file.name, shown)


def _merged(
    parameters: TimeSeriesParameters, frame: pd.DataFrame, measured: np.ndarray, again: np.ndarray
) -> np.ndarray:
    """(steps, features): one step per series and moment.

    Args:
        measured: (rows, features), sorted by series and moment.
        again: (rows,) which rows have the series and the moment of the row before.
    """
    if parameters.duplicates == "error":
        first = int(again.argmax())
        raise CellError(
            frame,
            first,
            f"{parameters.id}, {parameters.time}",
            f"{frame[parameters.id].iloc[first]!r} has a step at {frame[parameters.time].iloc[first]!r} already, in "
            f"row {frame.index[first - 1]} ({int(again.sum())} such rows); expected one step per moment. duplicates: "
            "first or duplicates: mean makes one of them",
        )
    if parameters.duplicates == "first":
        return measured[~again]
    # The mean of what was measured; NaN where nothing was.
    steps = pd.DataFrame(measured).groupby(np.cumsum(~again)).mean()
    return steps.to_numpy()


def _has_dates(cells: pd.Series) -> bool:
    """Whether texts look like dates or times, rather than numbers with other marks."""
    return any(isinstance(cell, str) and (DATE.fullmatch(cell.strip()) or set(cell) & set(":T")) for cell in cells)


def read_times(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Numbers as they are, or dates, to be sorted by.

    Raises:
        CellError: a cell is empty, or neither.
    """
    cells = frame[column]
    moments = cells if cells.dtype.kind == "M" else pd.to_numeric(cells, errors="coerce")
    if moments.isna().any():
        # Of different time zones, or of none and some, each is taken for what it is in UTC.
        dates = pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=True)
        if dates.notna().sum() >= moments.notna().sum():  # else the cells that are no numbers are mistakes
            moments = dates
    if (bad := (moments.isna() | cells.isna()).to_numpy()).any():
        first = int(bad.argmax())
        raise CellError(frame, first, column, f"found {cells.iloc[first]!r}; expected a number everywhere, or a date")
    return moments.to_numpy()


def _filled(values: np.ndarray, medians: np.ndarray) -> np.ndarray:
    """The last value so far, else the median; (n, steps, features)."""
    filled = values.copy()
    for step in range(1, values.shape[1]):
        filled[:, step] = np.where(np.isnan(filled[:, step]), filled[:, step - 1], filled[:, step])
    return np.where(np.isnan(filled), medians, filled)
