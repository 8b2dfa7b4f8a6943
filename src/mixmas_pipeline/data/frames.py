"""Frames of pandas and polars, and tables of Arrow, as files that ``table.file`` of a custom data set can name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from mixmas_pipeline.storage.atomic import write_atomically
from mixmas_pipeline.utils.remote_logs import LITERAL

_log = logging.getLogger(__name__)


def write_frame(frame: Any, path: str | Path) -> Path:
    """Write all rows and columns as a Parquet file, which replaces an earlier one in one step. A named index of pandas
    becomes columns.

    Args:
        frame: a DataFrame of pandas or polars, or whatever else hands on Arrow's columns (``__arrow_c_stream__``).
        path: ends in .parquet.

    Returns:
        ``path``.

    Raises:
        ValueError: the path ends otherwise; the frame has no rows, a column's name twice, columns of several levels, an
            index with names but without a name of its own, or cells that no column of one type can hold.
        TypeError: it is no frame.
    """
    path = Path(path)
    if path.suffix.lower() != ".parquet":
        raise ValueError(f"{path} is no name of a Parquet file; expected one that ends in .parquet")
    table = _from_pandas(frame) if isinstance(frame, pd.DataFrame) else _from_stream(frame)
    if not table.num_rows or not table.num_columns:
        raise ValueError(f"the frame has {table.num_rows} rows and {table.num_columns} columns; expected some of each")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda partial: parquet.write_table(table, partial))
    return path


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    if isinstance(frame.columns, pd.MultiIndex):
        raise ValueError("the columns have several levels; expected one name per column")
    names = frame.columns.astype(str)
    if names.has_duplicates:
        raise ValueError(f"the column {names[names.duplicated()][0]!r} is there twice; expected different names")
    index = frame.index
    if any(name is not None for name in index.names):
        frame = frame.reset_index()
    elif index.nlevels > 1 or index.dtype.kind not in "iu":
        raise ValueError(
            f"the index has values such as {index[0]!r} and no name, so it would be lost; name it "
            "(frame.rename_axis('id')), or drop it (frame.reset_index(drop=True))"
        )
    elif not index.equals(pd.RangeIndex(len(frame))):
        _log.info("The index, which has no name, is left out", extra=LITERAL)
    try:
        return pa.Table.from_pandas(frame.set_axis(frame.columns.astype(str), axis=1), preserve_index=False)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise ValueError(f"a column has cells of more than one type, or of an unknown one: {error}") from error


def _from_stream(frame: Any) -> pa.Table:
    if not hasattr(frame, "__arrow_c_stream__"):
        raise TypeError(f"found {type(frame).__name__}; expected a DataFrame of pandas or polars, or a table of Arrow")
    if hasattr(frame, "to_arrow"):  # of polars: its stream has texts that Parquet cannot store as categories
        return frame.to_arrow()
    return pa.table(frame)
