"""Files of a table: every format to one frame of rows, whose ids, columns and labels are looked at first."""

from __future__ import annotations

import csv
import logging
import zlib
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import (
    COUNT,
    ID,
    NUMBER,
    RESERVED,
    check_column,
    choose,
    words,
)
from mixmas_pipeline.pipelines.data.custom.formats import reader_of
from mixmas_pipeline.pipelines.data.custom.formats.columns import as_text, as_texts
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.pipelines.data.custom.modalities import FileFormParameters, TabularParameters, TimeSeriesParameters
from mixmas_pipeline.pipelines.data.custom.numerals import is_plain, with_plain_numbers
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)


def read_frame(
    path: Path,
    separator: str | None = None,
    missing: tuple[str, ...] | None = None,
    names: Collection[str] = (),
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    query: str | None = None,
) -> pd.DataFrame:
    """All columns of a file, of a text file as texts. Of a .npz: its arrays of one axis.

    Args:
        path: ends in one of the known formats.
        separator, missing, encoding, sheet, query: as of ``TableParameters``.
        names: columns, or patterns of them, whose cells are names: there, if ``missing`` is None, only the empty cell
            is missing. Default: none.

    Raises:
        ValueError: the file cannot be read, has no rows, or a column's name twice.
    """
    return as_texts(_read_cells(path, Form(separator, missing, encoding, sheet, query, tuple(names))))


def read_file(path: Path, form: FileFormParameters, names: Collection[str]) -> pd.DataFrame:
    """``read_frame`` with the keys of the parameters, but where a column has numbers and texts, the numbers are as they
    are stored (``as_texts`` makes texts of them).
    """
    return _read_cells(path, Form(form.separator, form.missing, form.encoding, form.sheet, form.query, tuple(names)))


def _read_cells(path: Path, form: Form) -> pd.DataFrame:
    try:
        frame = reader_of(path)(path, form)
    except MemoryError as error:
        raise ValueError(f"it needs more memory than there is, or its header is damaged ({error})") from error
    except (
        *(OSError, EOFError, UnicodeError, csv.Error, zlib.error),
        NotImplementedError,  # pyarrow's, of types that it cannot read
    ) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if not len(frame):
        raise ValueError("it has no rows")
    frame.columns = frame.columns.astype(str).str.strip()
    if repeated := frame.columns[frame.columns.duplicated()].tolist():
        raise ValueError(f"the column {repeated[0]!r} is there twice; expected different names")
    for column in frame.columns:
        if form.missing and (said := _is_word(frame[column], form.missing)).any():
            frame[column] = _nullable(frame[column]).mask(said)
        if (blank := _blank_cells(frame[column])).any():  # it says as little as an empty one
            frame[column] = frame[column].mask(blank)
    return frame.reset_index(drop=True)


def _nullable(column: pd.Series) -> pd.Series:
    """Whole numbers as a type that keeps them whole beside missing ones."""
    return column.astype({"i": "Int64", "u": "UInt64"}.get(column.dtype.kind, column.dtype))


def _is_word(column: pd.Series, missing: tuple[str, ...]) -> np.ndarray:
    """(n,) whether a text or number is one of the words for a missing value."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = [number for number in (pd.to_numeric(word, errors="coerce") for word in missing) if number == number]
        return column.isin(numbers).to_numpy()
    return np.array([type(cell) in (str, int, float) and as_text(cell).strip() in missing for cell in column])


def _blank_cells(column: pd.Series) -> np.ndarray:
    """(n,) whether a cell is a text of nothing but spaces, tabs and the like, or of nothing at all."""
    if isinstance(column.dtype, pd.StringDtype):
        return (column.str.isspace() | column.eq("")).to_numpy(dtype=bool, na_value=False)
    if column.dtype.kind != "O":
        return np.zeros(len(column), bool)
    return np.array([isinstance(cell, str | bytes) and not cell.strip() for cell in column])


def name_rows(frame: pd.DataFrame, id_column: str | None) -> pd.DataFrame:
    """The rows with what ``RESERVED`` names.

    Raises:
        ValueError: an id is missing, or there twice.
    """
    for reserved in RESERVED:
        if reserved in frame.columns:
            raise ValueError(f"a column is named {reserved!r}, which is kept for the rows' own names; rename it")
    if id_column is None:
        ids: list[Any] = [str(number) for number in range(len(frame))]
    else:
        check_column(frame, id_column, "table.id")
        ids = words(frame, id_column)
        if None in ids:
            raise ValueError(f"row {ids.index(None)}, column {id_column}: there is no id")
        again = pd.Series(ids).duplicated()
        if again.any():
            second = int(again.to_numpy().argmax())
            raise ValueError(
                f"row {second}, column {id_column}: the id {ids[second]!r} is also that of row "
                f"{ids.index(ids[second])}; expected every id once"
            )
    return frame.assign(**{ID: ids, NUMBER: np.arange(len(frame)), COUNT: len(frame)})


def check_columns(rows: pd.DataFrame, table: TableParameters, *, labelled: bool) -> None:
    """Are the columns there that the parameters name?

    Args:
        labelled: whether those of label and split have to be.

    Raises:
        ValueError: one is not.
    """
    if labelled:
        for column in table.labels:
            check_column(rows, column, "table.label")
        for key in ("column", "group"):
            if (named_by := getattr(table.split, key)) is not None:
                check_column(rows, named_by, f"table.split.{key}")
    for name, modality in table.modalities.items():
        named = own_columns(modality)
        if not labelled and modality.optional and not any(c in rows.columns for c in named):
            continue  # none of the new rows has it
        try:
            chosen = choose(rows, named)
        except ValueError as error:
            raise ValueError(f"modalities.{name}: {error}") from None
        if "*" not in named:
            _check_inputs(name, chosen, table)


def _check_inputs(modality: str, chosen: list[str], table: TableParameters) -> None:
    """Refuse columns as inputs that tell the label or the split."""
    forbidden = dict.fromkeys(table.labels, "table.label")
    if table.split.column is not None:
        forbidden[table.split.column] = "table.split.column"
    if table.split.group is not None and not table.split.group_is_input:
        forbidden[table.split.group] = "table.split.group"
    for column in chosen:
        if column in forbidden:
            switch = ", or set table.split.group_is_input: true" if column == table.split.group else ""
            raise ValueError(
                f"modalities.{modality}: the column {column!r} is {forbidden[column]}, and would be an input; expected "
                f"other columns (name them one by one, or by a narrower pattern){switch}"
            )


def own_columns(modality: Any) -> list[str]:
    """Columns of the table, or patterns of them, that a modality is made of."""
    if isinstance(modality, TimeSeriesParameters):
        return [] if modality.file else [*modality.columns, *(c for group in modality.groups.values() for c in group)]
    column = getattr(modality, "column", None)
    return [column] if column else list(getattr(modality, "columns", ()))


def read_rows(path: Path, table: TableParameters, *, labelled: bool = True) -> pd.DataFrame:
    """The table's rows, named and looked at.

    Raises:
        ValueError: as the functions above.
    """
    stored = read_file(path, table, _names(table))
    rows = name_rows(as_texts(stored), table.id)
    check_columns(rows, table, labelled=labelled)
    return _with_plain_numbers(rows, stored, table, labelled=labelled)


def used_columns(rows: pd.DataFrame, table: TableParameters) -> set[str]:
    """Columns that are not left to the modality of "*", of those that are there."""
    own = [own_columns(modality) for modality in table.modalities.values()]
    return _matching(rows, [*table.used, *(column for columns in own if "*" not in columns for column in columns)])


def number_columns(rows: pd.DataFrame, table: TableParameters) -> set[str]:
    """Columns whose cells the parameters call numbers, of those that are there."""
    found = _matching(rows, table.labels if table.task == "regression" else ())
    named: set[str] = set()
    for modality in table.modalities.values():
        columns = own_columns(modality)
        if "*" in columns:
            found |= set(rows.columns) - {*RESERVED} - used_columns(rows, table)
        elif getattr(modality, "column", None) is None:  # else it has texts, lists, or names of files
            found |= _matching(rows, columns)
        if isinstance(modality, TabularParameters):
            named |= _matching(rows, (*modality.categories, *modality.dates))
    return found - named


def _matching(rows: pd.DataFrame, patterns: Iterable[str]) -> set[str]:
    """The columns that are named, or that fit a pattern; none is an error."""
    columns = [column for column in rows.columns if column not in RESERVED]
    return {
        column
        for pattern in set(patterns)
        for column in ([pattern] if pattern in columns else columns)
        if fnmatchcase(column, pattern) or column == pattern
    }


def _with_plain_numbers(
    rows: pd.DataFrame, stored: pd.DataFrame, table: TableParameters, *, labelled: bool
) -> pd.DataFrame:
    """The rows with numbers as Python writes them, where the parameters say that the file writes them otherwise.

    Args:
        stored: the same rows as ``read_file`` gives them.

    Raises:
        ValueError: a cell is written in another way; a column under ``percent`` is none of numbers.
    """
    if is_plain(table) and not table.percent:
        return rows
    columns = number_columns(rows, table)
    signed = choose(rows, table.percent) if labelled else _matching(rows, table.percent)
    if others := sorted(set(signed) - columns):
        raise ValueError(f"table.percent has {others[0]!r}, which no modality and no target has as a number")
    rows = with_plain_numbers(rows, stored, signed if is_plain(table) else columns, table, percent=signed)
    if signed:
        _log.info("%s: '12 %%' is read as 0.12", ", ".join(sorted(signed)), extra=LITERAL)
    return rows


def _names(table: TableParameters) -> list[str]:
    """The columns, or patterns of them, whose cells are names."""
    categories = [pattern for m in table.modalities.values() for pattern in getattr(m, "categories", ())]
    labels = () if table.task == "regression" else table.labels
    return [c for c in (table.id, table.split.column, table.split.group, *labels, *categories) if c is not None]
