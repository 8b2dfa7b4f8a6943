"""Files beside the table that have one row per step of its rows: time series."""

from __future__ import annotations

import csv
import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import CellError, words
from mixmas_pipeline.pipelines.data.custom.drafting.columns import ColumnFacts, Kind, examine_all
from mixmas_pipeline.pipelines.data.custom.drafting.messages import counted
from mixmas_pipeline.pipelines.data.custom.drafting.roles import snake
from mixmas_pipeline.pipelines.data.custom.drafting.table import guess_separator
from mixmas_pipeline.pipelines.data.custom.formats.packing import open_unpacked
from mixmas_pipeline.pipelines.data.custom.formats.text import usual_separator
from mixmas_pipeline.pipelines.data.custom.kinds.time_series import read_times
from mixmas_pipeline.pipelines.data.custom.reading import read_frame

if TYPE_CHECKING:
    import pandas as pd

_FILES = 20  # that are looked into, at most
_LARGEST = 1 << 28  # bytes
_SHARED = 0.5  # the share of the table's ids that the file must have
_MOST_STEPS, _LONG = 64, 200
_MOST_FEATURES = 100
_TIMES = (
    *("time", "timestamp", "datetime", "date", "t", "step", "moment", "tick", "frame", "second", "minute", "hour"),
    *("day", "week", "month", "year", "visit", "age"),
)
_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".feather")


@dataclass(frozen=True)
class Steps:
    """A file with the steps of the table's rows.

    Attributes:
        file: where it is.
        separator: if it is not the usual one.
        id, time: its columns.
        features: its columns of numbers.
        steps: that are taken.
        repeated: whether some ids have two rows of one time.
        lacking: (n,) rows of the table without a step.
        made_from: what that was guessed from.
    """

    file: Path
    separator: str | None
    id: str
    time: str
    features: tuple[str, ...]
    steps: int
    repeated: bool
    lacking: np.ndarray
    made_from: str


def find_steps(table: Path, rows: pd.DataFrame, id_column: str) -> tuple[list[Steps], dict[str, str]]:
    """The files beside the table that have a column of its ids' name, with several rows per id.

    Returns:
        They, and those that have such a column but cannot be used: name -> why.
    """
    found: list[Steps] = []
    left_out: dict[str, str] = {}
    if snake(id_column).startswith("row"):  # other tables number their rows too
        return found, left_out
    ids = set(words(rows, id_column))
    others = [p for p in sorted(table.parent.iterdir()) if p != table and p.name.lower().endswith(_ENDINGS)]
    for file in others[:_FILES]:
        if file.stat().st_size > _LARGEST or id_column not in _header(file):
            continue
        try:
            steps = _look(file, rows, id_column, ids)
        except ValueError as error:
            left_out[file.name] = str(error)
            continue
        if isinstance(steps, Steps):
            found.append(steps)
        elif steps:
            left_out[file.name] = steps
    return found, left_out


def _header(file: Path) -> list[str]:
    """The names of the columns; none if they cannot be read."""
    if usual_separator(file) is None:
        from pyarrow import ArrowInvalid, dataset

        try:
            return list(dataset.dataset(file, format=file.suffix.lower().lstrip(".")).schema.names)
        except (ArrowInvalid, OSError):
            return []
    separator = guess_separator(file) or usual_separator(file) or ","
    try:
        with io.TextIOWrapper(open_unpacked(file), encoding="utf-8-sig", newline="") as text:
            return [name.strip() for name in next(csv.reader(text, delimiter=separator), [])]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error):
        return []


def _look(file: Path, rows: pd.DataFrame, id_column: str, ids: set[str | None]) -> Steps | str:
    """What the file has; a text says why it cannot be used, "" that it is about something else."""
    separator = guess_separator(file)
    frame = read_frame(file, separator, None, [id_column])
    named = words(frame, id_column)
    known = np.array([name in ids for name in named])
    lengths = _lengths(named, known)
    if len(lengths) < _SHARED * len(ids):
        return ""
    if max(lengths.values()) == 1:  # another table of the same rows
        return ""
    facts = examine_all(frame, [c for c in frame.columns if c != id_column])
    times = _times(facts)
    if not times:
        return "has no column of times (numbers or dates, named time, date, hour, ...); name it under time"
    time, why = _first_readable(frame, times)
    if why:
        return f"{why}. Write all of them like 2024-10-01T13:30"
    features = tuple(c for c, f in facts.items() if f.kind in (Kind.NUMBERS, Kind.BOOLEANS) and f.distinct > 1)
    features = tuple(c for c in features if c != time or _are_uneven(frame[known], id_column, time))
    if not set(features) - {time} or len(features) > _MOST_FEATURES:
        return f"has {len(features)} columns of numbers beside {id_column} and {time}; expected 1 to {_MOST_FEATURES}"
    counts = np.array(list(lengths.values()))
    steps = int(counts.max()) if counts.max() <= _MOST_STEPS else math.ceil(np.quantile(counts, 0.9))
    steps = min(steps, _LONG)
    longer = int((counts > steps).sum())
    made = f"rows have {counts.min()} to {counts.max()} steps"
    made += f"; of {counted(longer, 'longer one')} the last {steps} are taken" if longer else ""
    repeated = bool(frame.loc[known, [id_column, time]].duplicated().any())
    lacking = np.array([name not in lengths for name in words(rows, id_column)])
    return Steps(file, separator, id_column, time, features, steps, repeated, lacking, made)


def _lengths(named: list[str | None], known: np.ndarray) -> dict[str, int]:
    """Id -> its steps."""
    lengths: dict[str, int] = {}
    for name, is_known in zip(named, known, strict=True):
        if name is not None and is_known:
            lengths[name] = lengths.get(name, 0) + 1
    return lengths


def _are_uneven(frame: pd.DataFrame, id_column: str, time: str) -> bool:
    """Whether the steps of an id are not equally far apart in time: then the time tells something too."""
    import pandas as pd

    moments = pd.to_numeric(frame[time], errors="coerce")
    ordered = pd.DataFrame({"id": frame[id_column], "time": moments}).dropna().sort_values(["id", "time"])
    gaps = ordered.groupby("id")["time"].diff().dropna().to_numpy()
    return bool(len(gaps)) and bool(gaps.std() > 0.01 * abs(gaps.mean()))


def _first_readable(frame: pd.DataFrame, times: list[str]) -> tuple[str, str]:
    """The first of the columns by which a run can sort the steps; and why none can, "" if one can."""
    problems = []
    for time in times:
        try:
            read_times(frame, time)
        except CellError as error:
            problems.append(str(error))
        else:
            return time, ""
    return times[0], problems[0]


def _times(facts: dict[str, ColumnFacts]) -> list[str]:
    """Columns that may say when a step is, the likeliest first."""
    usable = {
        name.lower(): name
        for name, f in facts.items()
        if f.kind in (Kind.NUMBERS, Kind.DATES) and f.filled == max(g.filled for g in facts.values())
    }
    exact = [usable[name] for name in _TIMES if name in usable]
    ending = [own for name, own in usable.items() if name.rpartition("_")[2] in _TIMES and own not in exact]
    dates = [own for own in usable.values() if facts[own].kind == Kind.DATES]
    return list(dict.fromkeys([*exact, *ending, *dates]))
