"""The task, from the column of the label."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.schema import Task
from mixmas_pipeline.pipelines.data.custom.cells import MISSING_WORDS, check_column
from mixmas_pipeline.pipelines.data.custom.drafting.columns import ColumnFacts, Kind, as_words, examine
from mixmas_pipeline.pipelines.data.custom.drafting.messages import DraftError, counted, listed, shown
from mixmas_pipeline.pipelines.data.custom.labels import encode, learn_classes
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters

if TYPE_CHECKING:
    import pandas as pd

_MOST_CLASSES = 20  # of a label of whole numbers; one with more is a target of regression
_ROWS_PER_CLASS = 10  # at least, of such a label
_FEWEST = 4  # rows of a class, so that each split gets one
_SEPARATORS = ("|", ";", ",", "/")
_YES_NO = {"0", "1", "true", "false", "yes", "no"}


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes:
        labels: columns.
        task: of the table.
        made_from: what the task was guessed from.
        separator: between the labels of one column. Default none.
        positive: of a binary task. Default none.
        warnings: what a person should look at.
    """

    labels: tuple[str, ...]
    task: Task
    made_from: str
    separator: str | None = None
    positive: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of the table's parameters."""
        label = self.labels[0] if len(self.labels) == 1 else list(self.labels)
        optional = {"labels_separator": self.separator, "positive": self.positive}
        return {"label": label, "task": self.task, **{k: v for k, v in optional.items() if v is not None}}

    def encoded(self, rows: pd.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
        """The rows' labels, and the classes or targets, as a table has them."""
        parameters = probe(self.keys)
        classes = learn_classes(rows, parameters)
        return encode(rows, parameters, classes), tuple(classes)


def probe(keys: dict[str, Any]) -> TableParameters:
    """Parameters with these keys of the label, to read labels by."""
    rest = {
        "file": "-",
        "split": {"fractions": {"validation": 0.2, "test": 0.2}},
        "modalities": {"facts": {"kind": "tabular", "columns": "*"}},
    }
    return TableParameters.model_validate({**rest, **keys})


def find_target(rows: pd.DataFrame, labels: tuple[str, ...]) -> Target:
    """The task.

    Args:
        rows: named, with their numbers as index.
        labels: columns.

    Raises:
        DraftError: the labels can be those of no task.
        ValueError: there is no such column.
    """
    for name in labels:
        check_column(rows, name, "named by --label")
    if len(set(labels)) < len(labels):
        raise DraftError(f"--label names {listed(labels)}; expected each column once")
    rows = rows.assign(**{name: _without_missing_words(rows[name]) for name in labels})
    facts = [examine(rows[name]) for name in labels]
    for column in facts:
        _check(rows, column)
    if len(labels) > 1:
        return _several(rows, facts)
    (column,) = facts
    counts: Counter[str] = Counter(as_words(rows[column.name]))
    if parts := _parts(counts):
        return _multilabel(rows, column, *parts)
    if empty := len(rows) - column.filled:
        row = int(rows[column.name].isna().to_numpy().argmax())
        raise DraftError(
            f"the label {shown(column.name)!r} is missing in {empty} of {len(rows)} rows, for example row {row}; "
            "remove these rows from the file"
        )
    if column.kind == Kind.NUMBERS and not _is_coded(column, len(rows)):
        made = f"{column.distinct:,} different numbers"
        return Target(labels, "regression", made)
    return _classes(column, counts, len(rows))


def _without_missing_words(cells: pd.Series) -> pd.Series:
    """Between numbers "NA" and the like are missing values, else they may be names of classes."""
    import pandas as pd

    if not isinstance(cells.dtype, pd.StringDtype):
        return cells
    rest = cells.mask(cells.isin(MISSING_WORDS))
    numbers = pd.to_numeric(rest, errors="coerce")
    is_amount = numbers.notna().equals(rest.notna()) and numbers.nunique() > _MOST_CLASSES
    return rest if is_amount else cells


def _check(rows: pd.DataFrame, column: ColumnFacts) -> None:
    """Refuse what is no label."""
    name = shown(column.name)
    if column.kind == Kind.EMPTY:
        raise DraftError(f"the label {name!r} is empty in all {len(rows)} rows")
    if column.distinct == 1 and column.filled == len(rows):
        raise DraftError(
            f"the label {name!r} is {column.example!r} in all {len(rows)} rows; expected two values or more"
        )
    if column.problem:
        raise DraftError(f"the label {name!r}: {column.problem}")
    if column.kind in (Kind.DATES, Kind.LISTS):
        raise DraftError(
            f"the label {name!r} has {column.kind}, such as {column.example!r}; expected classes or numbers"
        )


def _is_coded(column: ColumnFacts, rows: int) -> bool:
    """Whether numbers stand for classes."""
    return column.distinct == 2 or (
        column.whole and column.distinct <= _MOST_CLASSES and column.distinct * _ROWS_PER_CLASS <= rows
    )


def _several(rows: pd.DataFrame, columns: list[ColumnFacts]) -> Target:
    names = tuple(column.name for column in columns)
    for column in columns:
        if empty := len(rows) - column.filled:
            raise DraftError(f"the label {shown(column.name)!r} is missing in {empty} of {len(rows)} rows; remove them")
    if all({w.lower() for w in as_words(rows[name])} <= _YES_NO for name in names):
        return Target(names, "multilabel", f"{len(names)} columns of 0 and 1")
    if all(column.kind in (Kind.NUMBERS, Kind.BOOLEANS) for column in columns):
        return Target(names, "regression", f"{len(names)} columns of numbers")
    other = next(column for column in columns if column.kind not in (Kind.NUMBERS, Kind.BOOLEANS))
    raise DraftError(
        f"of several labels, each has 0 and 1 (multilabel) or numbers (regression); {shown(other.name)!r} has "
        f"{other.kind}, such as {other.example!r}. Name one column with --label"
    )


def _classes(column: ColumnFacts, counts: Counter[str], rows: int) -> Target:
    name = shown(column.name)
    if column.kind == Kind.TEXTS:
        raise DraftError(
            f"the label {name!r} has {column.distinct} different texts in {rows} rows, such as {column.example!r}; "
            "expected classes or numbers"
        )
    if column.distinct > 2 and column.repeated < 2:
        raise DraftError(
            f"the label {name!r} has {column.distinct} different values in {rows} rows, such as {column.example!r}; "
            "expected classes that repeat, or numbers"
        )
    frequent = ", ".join(f"{shown(value)} ({number})" for value, number in counts.most_common(5))
    more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
    made = f"{len(counts)} values: {frequent}{more}"
    if column.kind == Kind.NUMBERS and column.distinct > 2:
        made += ". If they are amounts, write regression"
    warnings = _rare(name, counts)
    if words := [value for value in counts if value in MISSING_WORDS]:
        warnings += (
            f"{counted(sum(counts[w] for w in words), 'row')} have the label {listed(words)}, which is taken for a "
            "class. If it means that the label is missing, remove these rows",
        )
    if len(counts) == 2:
        positive = _positive(column.name, counts)
        return Target((column.name,), "binary", made, positive=positive, warnings=warnings)
    return Target((column.name,), "multiclass", made, warnings=warnings)


def _positive(column: str, counts: Counter[str]) -> str:
    """As a run takes it."""
    import pandas as pd

    rows = pd.DataFrame({column: list(counts.elements())})
    return learn_classes(rows, probe({"label": column, "task": "binary"}))[1]


def _rare(name: str, counts: Counter[str]) -> tuple[str, ...]:
    rare = [f"{shown(value)} ({number})" for value, number in counts.items() if number < _FEWEST]
    if not rare:
        return ()
    return (
        f"classes of {name} too rare to be in each split: {listed(rare)}. Merge them into another class, or remove "
        "their rows: no score says anything about them",
    )


def _parts(counts: Counter[str]) -> tuple[str, Counter[str]] | None:
    """The separator between labels in one cell, and how often each label occurs; None if cells have one label each.

    The parts of cells must be fewer than the different cells, and none may occur in one cell alone.
    """
    for separator in _SEPARATORS:
        if not any(separator in cell for cell in counts):
            continue
        parts: Counter[str] = Counter()
        for cell, number in counts.items():
            for part in {text.strip() for text in cell.split(separator)} - {""}:
                parts[part] += number
        strict = separator in ",/"  # also stand inside a name
        most = len(counts) / 2 if strict else len(counts)
        if 1 < len(parts) <= most and min(parts.values()) > 1:
            return separator, parts
    return None


def _multilabel(rows: pd.DataFrame, column: ColumnFacts, separator: str, parts: Counter[str]) -> Target:
    empty = len(rows) - column.filled
    made = (
        f"cells such as {column.example}: {len(parts)} labels, {listed(f'{p} ({n})' for p, n in parts.most_common())}"
    )
    if empty:
        made += f"; {counted(empty, 'row')} without any label"
    return Target((column.name,), "multilabel", made, separator=separator, warnings=_rare(shown(column.name), parts))
