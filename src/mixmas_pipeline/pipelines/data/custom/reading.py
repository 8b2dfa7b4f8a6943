"""Files of a table: every format to one frame of rows, whose ids, columns and labels are looked at first."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
import zlib
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import (
    COUNT,
    ID,
    MISSING_WORDS,
    NUMBER,
    RESERVED,
    check_column,
    choose,
    words,
)
from mixmas_pipeline.pipelines.data.custom.modalities import TimeSeriesParameters
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_LONGEST = 2**31 - 1  # letters of a cell
_TEXTS = {".csv": ",", ".tsv": "\t"}
_FORMATS = ".csv, .csv.gz, .tsv, .tsv.gz, .parquet, .feather, .npz"


def read_frame(
    path: Path,
    separator: str | None = None,
    missing: tuple[str, ...] | None = None,
    names: Collection[str] = (),
) -> pd.DataFrame:
    """All columns of a file, of a text file as texts. Of a .npz: its arrays of one axis.

    Args:
        path: ends in one of the known formats.
        separator, missing: as of ``TableParameters``; of text files only.
        names: columns, or patterns of them, whose cells are names: there, if ``missing`` is None, only the empty cell
            is missing. Default: none.

    Raises:
        ValueError: the file cannot be read, has no rows, or a column's name twice.
    """
    name = path.name.lower()
    usual = _TEXTS.get(Path(name.removesuffix(".gz")).suffix)
    used = None if usual is None else separator or usual
    try:
        frame = _read_any(path, used, missing or ())
    except UnicodeDecodeError as error:
        bad = error.object[error.start]
        raise ValueError(f"it is no UTF-8 text (byte {bad:#x}); save it as UTF-8") from error
    except MemoryError as error:
        raise ValueError(f"it needs more memory than there is, or its header is damaged ({error})") from error
    except pd.errors.EmptyDataError as error:
        raise ValueError("it is empty; expected a first line with the columns' names") from error
    except (
        *(OSError, EOFError, UnicodeError, csv.Error, zlib.error, pd.errors.ParserError, pd.errors.ParserWarning),
        NotImplementedError,  # pyarrow's, of types that it cannot read
    ) as error:
        is_text = isinstance(error, pd.errors.ParserError | pd.errors.ParserWarning)
        advice = _other_separator(path, used) if is_text and used is not None else ""
        raise ValueError(f"it cannot be read: {error}{advice}") from error
    if not len(frame):
        raise ValueError("it has no rows")
    frame.columns = frame.columns.astype(str).str.strip()
    is_one_word = len(frame.columns) == 1 and " " not in frame.columns[0]
    if used is not None and is_one_word and (advice := _other_separator(path, used)):
        raise ValueError(f"it has one column, {frame.columns[0]!r}{advice}")
    if repeated := frame.columns[frame.columns.duplicated()].tolist():
        raise ValueError(f"the column {repeated[0]!r} is there twice; expected different names")
    if usual is not None and missing is None:
        for column in frame.columns:
            if not any(column == pattern or fnmatchcase(column, pattern) for pattern in names):
                frame[column] = frame[column].mask(frame[column].isin(MISSING_WORDS))
    for column in frame.columns:
        if (blank := _blank_cells(frame[column])).any():  # it says as little as an empty one
            frame[column] = frame[column].mask(blank)
    return frame.reset_index(drop=True)


def _blank_cells(column: pd.Series) -> np.ndarray:
    """(n,) whether a cell is a text of nothing but spaces, tabs and the like, or of nothing at all."""
    if isinstance(column.dtype, pd.StringDtype):
        return (column.str.isspace() | column.eq("")).to_numpy(dtype=bool, na_value=False)
    if column.dtype.kind != "O":
        return np.zeros(len(column), bool)
    return np.array([isinstance(cell, str | bytes) and not cell.strip() for cell in column])


def _read_any(path: Path, separator: str | None, missing: tuple[str, ...]) -> pd.DataFrame:
    """The columns as they are.

    Args:
        separator, missing: of a text file; None: it is no text file.
    """
    ending = path.suffix.lower()
    if separator is not None:
        return _read_text(path, separator, missing)
    if ending in (".parquet", ".feather"):
        return _read_arrow(path)
    if ending == ".npz":
        arrays = read_arrays(path)
        rows = range(max(map(len, arrays.values()), default=0))  # there may be no array of one axis
        return pd.DataFrame({name: array for name, array in arrays.items() if array.ndim == 1}, index=rows)
    raise ValueError(f"found the ending {path.suffix!r}; expected one of {_FORMATS}")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz, all of as many rows. Nothing is unpickled.

    Raises:
        ValueError: it is no whole .npz, an array holds Python objects, or has another number of rows.
    """
    from mixmas_pipeline.data.rows import load_arrays

    arrays = load_arrays(path)
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"its arrays have different numbers of rows ({found}); expected one of all")
    return arrays


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
    rows = name_rows(read_frame(path, table.separator, table.missing, _names(table)), table.id)
    check_columns(rows, table, labelled=labelled)
    return rows


def _read_arrow(path: Path) -> pd.DataFrame:
    """Whole numbers stay whole where some are missing, here and in files that are made of the frame: as floats, those
    above 2**53 would lose digits.

    Every offset is checked before it is followed: a manipulated one would read beyond the file.
    """
    from pyarrow import feather, parquet, types

    # From memory: a mapped file may change, or end, after it has been checked.
    table = (
        parquet.read_table(path) if path.suffix.lower() == ".parquet" else feather.read_table(path, memory_map=False)
    )
    table.validate(full=True)
    # Of pandas' metadata only the names of its index are used: by them whole numbers would become floats.
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    frame = frame.drop(columns=[name for name in frame.columns if re.fullmatch(r"__index_level_\d+__", str(name))])
    for field in table.schema:
        if types.is_integer(field.type) and field.name in frame and frame[field.name].dtype == object:
            frame[field.name] = frame[field.name].astype("UInt64" if field.type == "uint64" else "Int64")
    return frame


def _names(table: TableParameters) -> list[str]:
    """The columns, or patterns of them, whose cells are names."""
    categories = [pattern for m in table.modalities.values() for pattern in getattr(m, "categories", ())]
    labels = () if table.task == "regression" else table.labels
    return [c for c in (table.id, table.split.column, table.split.group, *labels, *categories) if c is not None]


def _other_separator(path: Path, separator: str) -> str:
    """Advice, if another character than the separator divides the first line."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        first = file.readline(1 << 20).decode("utf-8", errors="replace")
    if '"' in first:
        return ""
    counts = {other: first.count(other) for other in ";,\t|"}
    most = max(counts, key=lambda other: counts[other])
    if most == separator or counts[most] <= counts.get(separator, 0):
        return ""
    return f"; its first line has {counts[most]} {most!r}: write separator: {most!r} beside file"


def _check_lines(path: Path, separator: str, columns: int) -> None:
    """Refuse what pandas would read as less than is written.

    Raises:
        ValueError: a row has fewer cells than the first line; or there is a character NUL, at which a cell would end.
    """

    def whole(lines: Iterable[str]) -> Iterator[str]:
        for number, line in enumerate(lines, start=1):
            if "\0" in line:
                raise ValueError(f"line {number} has a character NUL; expected text in UTF-8 (or is it UTF-16?)")
            yield line

    csv.field_size_limit(_LONGEST)
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(whole(file), delimiter=separator, skipinitialspace=True)
        for cells in reader:
            if len(cells) < columns and any(cell.strip() for cell in cells):  # blank lines are skipped
                advice = _other_separator(path, separator)
                raise ValueError(
                    f"line {reader.line_num} has fewer cells than the first line, {len(cells)} of {columns}"
                    + (advice or " (is the file cut off, or does a cell have a line break without quotation marks?)")
                    + ". Write empty cells as well"
                )


def _read_text(path: Path, separator: str, missing: tuple[str, ...]) -> pd.DataFrame:
    settings: dict[str, Any] = {"sep": separator, "dtype": str, "encoding": "utf-8-sig", "skipinitialspace": True}
    names = pd.read_csv(path, header=None, nrows=1, keep_default_na=False, **settings).iloc[0].tolist()
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"the column {repeated[0]!r} is there twice; expected different names")
    _check_lines(path, separator, len(names))
    with warnings.catch_warnings():
        # A row with more cells than the header would lose the last ones.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            index_col=False,
            na_values=["", *missing],
            keep_default_na=False,
            **settings,
        )
