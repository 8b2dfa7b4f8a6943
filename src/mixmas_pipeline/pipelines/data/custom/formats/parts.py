"""A folder of Parquet files that are parts of one table, as Spark, Dask and pandas write them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.pipelines.data.custom.formats.arrow import read_arrow, to_frame
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_log = logging.getLogger(__name__)


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without files and folders that begin with a point or an underscore."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))


def read(path: Path, form: Form) -> pd.DataFrame:
    """The rows of all parts, in the order of the files' names.

    Raises:
        ValueError: a part has other columns than the first; there are folders of parts.
        OSError: a part cannot be read.
    """
    entries = visible(path)
    if folders := [entry for entry in entries if entry.is_dir() and any(entry.rglob("*.parquet"))]:
        raise ValueError(
            f"it has a folder {folders[0].name!r} with further parts; expected all parts in one folder (what names of "
            "folders say, as in year=2024, is not read)"
        )
    parts = [entry for entry in entries if entry.suffix.lower() == ".parquet"]
    if others := [entry.name for entry in entries if entry not in parts]:
        _log.warning(
            "%s: %d entries that are no .parquet are not read, for example %s",
            path.name, len(others), others[0], extra=LITERAL,
        )  # fmt: skip
    tables = []
    for part in parts:
        try:
            tables.append(read_arrow(part))
        except (OSError, ValueError) as error:
            raise ValueError(f"{part.name}: {error}") from error
        _check_schema(parts[0].name, tables[0], part.name, tables[-1])
    return joined([table for table in tables if table.num_rows] or tables[:1])


def joined(tables: list[pa.Table]) -> pd.DataFrame:
    """The rows of tables of the same columns."""
    import pyarrow as pa

    order = tables[0].column_names
    plain = [table.select(order).replace_schema_metadata(None) for table in tables]
    return to_frame(pa.concat_tables(plain, promote_options="permissive"))


def _check_schema(first: str, expected: pa.Table, name: str, found: pa.Table) -> None:
    """Refuse a part with other columns, in whatever order, or other types."""
    # Programs differ in how wide the offsets of texts are, which means nothing.
    theirs, ours = ({f.name: str(f.type).replace("large_", "") for f in table.schema} for table in (expected, found))
    for column in [*theirs, *ours]:
        if theirs.get(column) != ours.get(column):
            here, there = (
                f"of the type {types[column]}" if column in types else "not there" for types in (ours, theirs)
            )
            raise ValueError(
                f"{name}: the column {column!r} is {here}, and in {first} {there}; expected the same in all parts"
            )
