"""Labels: from cells to what a ``MultimodalTable`` holds."""

from __future__ import annotations

import logging
import math
from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import MISSING_WORDS, CellError, numbers, word, words
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd

# Names of a negative and a positive class, in small letters.
_PAIRS = (
    ("0", "1"), ("-1", "1"), ("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("negative", "positive"),
    ("neg", "pos"), ("absent", "present"), ("healthy", "ill"), ("alive", "dead"), ("survived", "died"),
)  # fmt: skip
_log = logging.getLogger(__name__)
_YES_NO = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}


def learn_classes(rows: pd.DataFrame, table: TableParameters) -> list[str]:
    """The classes: as written, else those of these rows, sorted (numbers by size). Of a binary task the negative one
    comes first; of several columns they are the columns.

    Raises:
        ValueError: these rows have no example of a class; a binary task has not two.
    """
    if len(table.labels) > 1 or table.task == "regression":
        return _unambiguous(list(table.labels), table)
    counts = Counter(label for labels in _read(rows, table) for label in labels)
    classes = _unambiguous(list(table.classes or sorted(counts, key=_by_size)), table)
    if table.task == "binary":
        if len(classes) != 2:
            raise ValueError(
                f"the column {table.label!r} has {len(classes)} labels ({', '.join(classes[:5])}); a binary task has 2"
            )
        positive = table.positive or (classes[1] if table.classes else _positive(counts))
        if positive not in classes:
            raise ValueError(f"table.positive is {positive!r}; the labels are {' and '.join(classes)}")
        classes = [next(c for c in classes if c != positive), positive]
    return classes


def _unambiguous(classes: list[str], table: TableParameters) -> list[str]:
    """The classes, unless two of a multilabel task share a part: predictions have labels joined by ", "."""
    if table.task == "multilabel":
        owner: dict[str, str] = {}
        for name in classes:
            for part in name.split(", "):
                if (other := owner.setdefault(part, name)) != name:
                    raise ValueError(f"the labels {other!r} and {name!r} read alike in lists of labels; rename one")
    return classes


def _positive(counts: Counter[str]) -> str:
    """Which of two labels is looked for: of a known pair the positive one, else the rarer one, and of two that are as
    frequent the last one."""
    by_name = {name.lower(): name for name in counts}
    for negative, positive in _PAIRS:
        if by_name.keys() == {negative, positive}:
            return by_name[positive]
    return min(sorted(counts, key=_by_size, reverse=True), key=lambda name: counts[name])


def check_examples(rows: pd.DataFrame, table: TableParameters, classes: list[str]) -> None:
    """Is there a training row of every class? Can the targets of a regression be told apart?

    Raises:
        ValueError: there is none, or they cannot.
    """
    if table.task == "regression":
        _check_digits(rows, table.labels)
        return
    if not classes:
        raise ValueError(f"no training row has a label in the column {table.labels[0]!r}; expected some")
    labels = encode(rows, table, classes)
    counts = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(classes))
    if len(classes) < 2 and table.task == "multiclass":
        raise ValueError(f"all training rows have the label {classes[0]!r}; expected two classes or more")
    if not counts.all():
        raise ValueError(f"no training row has the label {classes[int(counts.argmin())]!r}; expected some of each")


def report_classes(rows: pd.DataFrame, table: TableParameters, classes: list[str]) -> None:
    """Log what was guessed of the labels: which is positive, and which look like a missing value."""
    if table.task == "regression" or len(table.labels) > 1:
        return
    counts = Counter(label for labels in _read(rows, table) for label in labels)
    if table.task == "binary" and table.positive is None and table.classes is None:
        _log.info(
            "The positive class of %r is %r (%d of %d training rows); table.positive names another",
            table.label, classes[1], counts[classes[1]], len(rows), extra=LITERAL,
        )  # fmt: skip
    for name in classes:
        if name in MISSING_WORDS and table.missing is None and table.classes is None:
            _log.warning(
                "%d training rows have the label %r, which is taken for the name of a class; if it means that the "
                "label is missing, remove these rows, or write missing: [%s]",
                counts[name], name, name, extra=LITERAL,
            )  # fmt: skip


def encode(rows: pd.DataFrame, table: TableParameters, classes: list[str]) -> np.ndarray:
    """(n,) int64; of a multilabel task (n, classes) uint8 of 0 and 1; of a regression (n, targets) float32.

    Raises:
        CellError: a label is missing, is none of the classes, or no number.
    """
    if table.task == "regression":
        values = np.column_stack([numbers(rows, column) for column in table.labels])
        if np.isnan(values).any():
            row, column = np.argwhere(np.isnan(values))[0]
            raise _lacking(rows, int(row), table.labels[column], "number")
        return values.astype(np.float32)
    if len(table.labels) > 1:
        return np.column_stack([_yes_no(rows, column) for column in table.labels])
    places = {name: i for i, name in enumerate(classes)}
    encoded = np.zeros((len(rows), len(classes)), np.uint8)
    for position, labels in enumerate(_read(rows, table)):
        for label in labels:
            if label not in places:
                guess = get_close_matches(label, classes, n=1)
                hint = f"; did you mean {guess[0]!r}?" if guess else ""
                known = "those of table.classes" if table.classes else "that training rows have"
                raise CellError(
                    rows,
                    position,
                    table.labels[0],
                    f"the label {label!r} is unknown; expected one of {', '.join(classes[:20])} ({known}){hint}"
                    + _if_numbers(classes),
                )
            encoded[position, places[label]] = 1
    return encoded if table.task == "multilabel" else encoded.argmax(axis=1)


def _lacking(rows: pd.DataFrame, position: int, column: str, what: str) -> CellError:
    """The error of a row without a label or a target."""
    empty = int(rows[column].isna().sum())
    found = f"there is no {what}, as in {empty} of {len(rows)} rows"
    return CellError(rows, position, column, f"{found}; expected one in every row. Remove these rows from the file")


def _if_numbers(classes: list[str]) -> str:
    """Of many labels that are all numbers: they may be targets."""
    many = len(classes) > 20 and all(math.isfinite(_by_size(name)[0]) for name in classes)
    return "; the labels are numbers: is this task: regression?" if many else ""


def _check_digits(rows: pd.DataFrame, targets: tuple[str, ...]) -> None:
    """Refuse targets that 32 bits cannot tell apart. A thousandth of their standard deviation may be lost."""
    for name in targets:
        values = numbers(rows, name)
        with np.errstate(over="ignore"):
            lost, deviation = np.abs(values - values.astype(np.float32)).max(), values.std()
        if values.min() < values.max() and not lost <= 1e-3 * deviation:
            raise ValueError(
                f"the column {name!r} has numbers from {values.min():.10g} to {values.max():.10g} with a standard "
                f"deviation of {deviation:.3g}; 7 digits are stored, so up to {lost:.3g} would be lost. Subtract a "
                "constant from the column, or divide it, so that its numbers are small"
            )


def _read(rows: pd.DataFrame, table: TableParameters) -> list[list[str]]:
    """Every row's labels, which are in one column."""
    (column,) = table.labels
    found = []
    for position, cell in enumerate(words(rows, column)):
        if table.labels_separator is not None:
            parts = (word(part) for part in (cell or "").split(table.labels_separator))
            found.append([part for part in parts if part])
        elif cell is None:
            raise _lacking(rows, position, column, "label")
        else:
            found.append([cell])
    return found


def _yes_no(rows: pd.DataFrame, column: str) -> np.ndarray:
    found = np.zeros(len(rows), np.uint8)
    for position, cell in enumerate(words(rows, column)):
        if cell is None or cell.lower() not in _YES_NO:
            shown = "nothing" if cell is None else repr(cell)
            raise CellError(rows, position, column, f"found {shown}; expected 0 or 1, whether the row has this label")
        found[position] = _YES_NO[cell.lower()]
    return found


def _by_size(label: str) -> tuple[float, str]:
    try:
        size = float(label)
    except ValueError:
        size = math.inf
    return (size if math.isfinite(size) else math.inf), label  # "nan" is a name, and smaller than nothing
