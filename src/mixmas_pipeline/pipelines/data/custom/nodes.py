"""Nodes of a data set of the user's own: a table, and files beside it, in; aligned multimodal tables out.

Of the rows of the three splits everything is learnt from those that are trained on, and new rows, to be predicted, are
prepared with what was learnt.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import GIVEN_SPLIT, GROUP, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.data.custom import labels, reading, splitting
from mixmas_pipeline.pipelines.data.custom.cells import (
    ID,
    MISSING_WORDS,
    NUMBER,
    CellError,
    check_column,
    words,
)
from mixmas_pipeline.pipelines.data.custom.kinds import KINDS, Source
from mixmas_pipeline.pipelines.data.custom.modalities import AudioParameters, ModalityOf
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.storage.paths import without_secrets
from mixmas_pipeline.utils.errors import InputError
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)
_INDEX_NAMES = {
    *("", "index", "x", "#", "id", "key", "nr", "no", "number", "obs", "observation", "case", "record"),
    *("row", "rows", "rowname", "rownames", "row_names", "row_number", "rownumber", "rowid", "row_id"),
}
_FEW_ROWS = 10  # of fewer, numbers may count up by chance
_MODALITY: TypeAdapter[Any] = TypeAdapter(ModalityOf)


def read_table(file: Path, table: dict[str, Any]) -> pd.DataFrame:
    """All rows: the columns as they are, the rows' ids and numbers.

    Raises:
        ValueError: the file cannot be read; a column is not there; an id is missing or there twice.
    """
    with _errors_of(file.name):
        return reading.read_rows(file, TableParameters.model_validate(table))


def read_new_table(file: Path, table: dict[str, Any]) -> pd.DataFrame:
    """Rows to be predicted, in the same layout. Columns of labels, of the split, and of optional modalities may lack.

    Raises:
        ValueError: as ``read_table``.
    """
    with _errors_of(file.name):
        return reading.read_rows(file, TableParameters.model_validate(table), labelled=False)


def split_rows(
    rows: pd.DataFrame, table: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Returns:
    The rows of each split; labels: ``classes`` in their order; splits: every row's id and split.

    Raises:
        ValueError: a row cannot be put into a split, has no label, or one that no training row has; a split is empty.
    """
    parameters = TableParameters.model_validate(table)
    rows = _numbered(rows)
    with _errors_of(parameters.file):
        found = splitting.split(rows, parameters)
        train, validation, test = (rows[found == name] for name in splitting.SPLITS)
        classes = labels.learn_classes(train, parameters)
        labels.check_examples(train, parameters, classes)
        labels.report_classes(train, parameters, classes)
        for others in (validation, test):
            labels.encode(others, parameters, classes)
    frames = [frame.reset_index() for frame in (train, validation, test)]
    splits = pd.DataFrame({"id": rows[ID].to_numpy(), "split": found})
    return frames[0], frames[1], frames[2], {"classes": classes}, splits


def learn_modality(
    rows: pd.DataFrame, table: dict[str, Any], modality: dict[str, Any], source: Source | None = None
) -> dict[str, Any]:
    """What the modality's kind learns of the training rows.

    Raises:
        ValueError: a column is not there, or a cell has something else than it should.
    """
    whole, parameters = TableParameters.model_validate(table), _MODALITY.validate_python(modality)
    with _errors_of(whole.file):
        rows = _numbered(rows)
        if "*" in reading.own_columns(parameters):
            rows = rows.drop(columns=_used(rows, whole))
        return KINDS[parameters.kind].learn(parameters, rows, source)


def prepare_training_modality(
    rows: pd.DataFrame, learnt: dict[str, Any], modality: dict[str, Any], file: str, source: Source | None = None
) -> Column:
    """As ``prepare_modality``, of rows that train, with their variants."""
    return prepare_modality(rows, learnt, modality, file, source, training=True)


def prepare_modality(
    rows: pd.DataFrame,
    learnt: dict[str, Any],
    modality: dict[str, Any],
    file: str,
    source: Source | None = None,
    *,
    training: bool = False,
) -> Column:
    """The modality of the rows.

    Args:
        rows: of one split, or new ones. Of new ones an optional modality may be missing altogether.
        learnt: of the training rows.
        file: of the rows, for messages.
        training: the rows train a model; only then have they variants. Default false.

    Raises:
        ValueError: a cell has something else than it should; a row lacks the modality, and it is not optional.
    """
    parameters = _MODALITY.validate_python(modality)
    with _errors_of(file):
        rows = _numbered(rows)
        columns = learnt.get("columns", reading.own_columns(parameters))
        if columns and parameters.optional and not any(column in rows.columns for column in columns):
            rows = rows.assign(**dict.fromkeys(columns))
        for column in columns:
            check_column(rows, column, "one that the training rows have")
        if isinstance(parameters, AudioParameters) and not training:
            parameters = parameters.model_copy(update={"variants": 0})
        column = KINDS[parameters.kind].prepare(parameters, learnt, rows, source)
        if not parameters.optional and not column.present.all():
            lacking = np.flatnonzero(~column.present)
            raise CellError(
                rows,
                int(lacking[0]),
                ", ".join(columns[:3]),
                f"the modality is missing: its cells are empty, or have a word for a missing value such as NA (rows of "
                f"this kind: {len(lacking)} of {len(rows)} of the split); set optional: true if rows may lack it",
            )
    return column


def build_table(
    rows: pd.DataFrame, learnt: dict[str, Any], table: dict[str, Any], file: str, *columns: Column
) -> MultimodalTable:
    """The rows with all their modalities.

    Args:
        learnt: ``classes``.
        file: of the rows, for messages.
        columns: one a modality, in the order of the parameters.

    Raises:
        ValueError: a row lacks every modality, or its label is none of the classes.
    """
    return _built(rows, learnt, table, file, columns, labelled=True)


def build_new_table(
    rows: pd.DataFrame, learnt: dict[str, Any], table: dict[str, Any], file: str, *columns: Column
) -> MultimodalTable:
    """As ``build_table``, of new rows: their labels may be unknown."""
    parameters = TableParameters.model_validate(table)
    if parameters.missing is None:  # a word for a missing value may name a class, but only one of the training rows'
        unknown = MISSING_WORDS - set(learnt["classes"])
        rows = rows.assign(**{c: rows[c].mask(rows[c].isin(unknown)) for c in parameters.labels if c in rows.columns})
    labelled = all(column in rows.columns and rows[column].notna().any() for column in parameters.labels)
    return _built(rows, learnt, table, file, columns, labelled=labelled)


def _built(
    rows: pd.DataFrame,
    learnt: dict[str, Any],
    table: dict[str, Any],
    file: str,
    columns: Sequence[Column],
    *,
    labelled: bool,
) -> MultimodalTable:
    parameters, classes = TableParameters.model_validate(table), learnt["classes"]
    rows = _numbered(rows)
    with _errors_of(file):
        if (empty := ~np.any([column.present for column in columns], axis=0)).any():
            raise CellError(rows, int(empty.argmax()), "", "every modality is missing; expected at least one")
        encoded = labels.encode(rows, parameters, classes) if labelled else None
    named = dict(zip(parameters.modalities, columns, strict=True))
    modalities = {
        name: replace(column.modality, optional=parameters.modalities[name].optional) for name, column in named.items()
    }
    source = parameters.source or without_secrets(parameters.file)
    return MultimodalTable(
        TableSchema(modalities, parameters.task, tuple(classes), source=source),
        {name: column.array for name, column in named.items()},
        encoded,
        rows[ID].to_numpy(dtype=str),
        _together(rows, parameters) if labelled else None,
        present={name: column.present for name, column in named.items() if modalities[name].optional},
        variants={name: column.variants for name, column in named.items() if column.variants is not None},
        check=False,
    )


def _together(rows: pd.DataFrame, parameters: TableParameters) -> dict[str, np.ndarray]:
    """The extra columns that say which rows no fold may divide. A row without a group is one of its own."""
    split, columns = parameters.split, {}
    if split.column is not None:
        columns[GIVEN_SPLIT] = np.ones(len(rows), np.uint8)
    if split.group is not None:
        named = zip(rows.index, words(rows, split.group), strict=True)
        own = [f"row {number}" if name is None else f"group {name}" for number, name in named]
        columns[GROUP] = np.array(own, dtype=object)
    return columns


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """With the rows' numbers in the file as index."""
    return rows.set_index(NUMBER)


def _used(rows: pd.DataFrame, table: TableParameters) -> list[str]:
    """Columns that are not left to the modality of "*"."""
    used = reading.used_columns(rows, table)
    if index := [column for column in rows.columns if column not in used and is_saved_index(rows, column)]:
        _log.warning(
            "%s: left out of '*': a saved index, with row numbers or without a name. Name the column to use it",
            ", ".join(index),
        )
    return sorted(used | set(index))


def is_saved_index(rows: pd.DataFrame, column: str) -> bool:
    """Has it no name; or the name of an index, and the rows' numbers in the file, from 0 or from 1?

    Args:
        rows: with their numbers in the file as index.
    """
    if re.fullmatch(r"Unnamed: \d+(\.\d+)*", column):
        return True
    if column.lower() not in _INDEX_NAMES or len(rows) < _FEW_ROWS:
        return False
    values = pd.to_numeric(rows[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return any(np.array_equal(values, rows.index.to_numpy() + first) for first in (0, 1))


@contextmanager
def _errors_of(file: str) -> Iterator[None]:
    """Say which file it is."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{PurePosixPath(without_secrets(file)).name}: {error}") from error
