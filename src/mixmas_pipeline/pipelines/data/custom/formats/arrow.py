"""Columns as Arrow has them: .parquet and .feather."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.pipelines.data.custom.formats.form import Form

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def read(path: Path, form: Form) -> pd.DataFrame:
    """The columns of one file.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    return to_frame(read_arrow(path))


def read_arrow(path: Path) -> pa.Table:
    """The columns of one file, in Arrow's types. Every offset is checked before it is followed: a manipulated one
    would read beyond the file.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    from pyarrow import feather, parquet

    # From memory: a mapped file may change, or end, after it has been checked.
    table = (
        parquet.read_table(path) if path.suffix.lower() == ".parquet" else feather.read_table(path, memory_map=False)
    )
    table.validate(full=True)
    return table


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Whole numbers stay whole where some are missing, here and in files that are made of the frame: as floats, those
    above 2**53 would lose digits.
    """
    from pyarrow import types

    # Of pandas' metadata only the names of its index are used: by them whole numbers would become floats.
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    frame = frame.drop(columns=[name for name in frame.columns if re.fullmatch(r"__index_level_\d+__", str(name))])
    for field in table.schema:
        if types.is_integer(field.type) and field.name in frame and frame[field.name].dtype == object:
            frame[field.name] = frame[field.name].astype("UInt64" if field.type == "uint64" else "Int64")
    return frame
