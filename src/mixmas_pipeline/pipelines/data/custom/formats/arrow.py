"""Columns as Arrow has them: .parquet, .orc, .feather, and .arrow (a file or a stream)."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)


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
    from pyarrow import feather, ipc, orc, parquet

    ending = path.suffix.lower()
    if ending == ".parquet":
        table = parquet.read_table(path)
    elif ending == ".orc":
        table = orc.read_table(path)
    elif _is_stream(path):
        with path.open("rb") as file:
            table = ipc.open_stream(file.read()).read_all()
    else:  # From memory: a mapped file may change, or end, after it has been checked.
        table = feather.read_table(path, memory_map=False)
    table.validate(full=True)
    if len(set(names := table.column_names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the column {repeated!r} is there twice; expected different names")
    return table


def _is_stream(path: Path) -> bool:
    """Whether an Arrow file is one that was written as a stream, which has no first bytes of its own."""
    with path.open("rb") as file:
        return not file.read(6).startswith((b"ARROW1", b"FEA1"))


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Whole numbers stay whole where some are missing, here and in files that are made of the frame: as floats, those
    above 2**53 would lose digits.

    Args:
        table: without pandas' metadata, or with it: by it, whole numbers would become floats, so it is not used.

    Raises:
        ValueError: a column has cells that Python does not have, such as a date after the year 9999.
    """
    from pyarrow import types

    table = _without_nameless_index(table)
    frame = pd.DataFrame({name: _column(table, name) for name in table.column_names}, index=range(table.num_rows))
    for field in table.schema:
        if types.is_integer(field.type) and field.name in frame and frame[field.name].dtype == object:
            frame[field.name] = frame[field.name].astype("UInt64" if field.type == "uint64" else "Int64")
    return frame


def _without_nameless_index(table: pa.Table) -> pa.Table:
    """The table without what pandas has saved of an index that has no name."""
    from pyarrow import types

    dropped = [name for name in table.column_names if re.fullmatch(r"__index_level_[0-9]+__", name)]
    for name in dropped:
        level = logging.INFO if types.is_integer(table[name].type) else logging.WARNING
        _log.log(
            level,
            "The column %r, of the type %s, is not read: an index without a name. If it matters, name it before it is "
            "saved (in pandas: frame.rename_axis('id'))",
            name, table[name].type, extra=LITERAL,
        )  # fmt: skip
    return table.drop_columns(dropped)


def _column(table: pa.Table, name: str) -> pd.Series:
    try:
        return table[name].to_pandas(integer_object_nulls=True)
    except (ValueError, ArithmeticError, NotImplementedError) as error:
        zone = getattr(table[name].type, "tz", None)
        why = f"its time zone {zone!r} is not known; expected one such as Europe/Berlin or +01:00" if zone else error
        raise ValueError(f"the column {name!r} cannot be read: {why}") from error
