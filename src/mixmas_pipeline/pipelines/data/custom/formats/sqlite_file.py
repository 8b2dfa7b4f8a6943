"""A query of an SQLite database, which is only read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.pipelines.data.custom.formats.columns import as_column
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.pipelines.data.custom.formats.queries import check_settled, whole_table
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

FIRST_BYTES = b"SQLite format 3\0"
_TABLES = "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\'"


def read(path: Path, form: Form) -> pd.DataFrame:
    """The rows of ``form.query``, else of the only table or view. A column of cells of several types is one of texts.

    Raises:
        ValueError: the database is damaged or being written; the query fails, would change something, or reads another
            file; there is no query, and not one table.
    """
    check_settled(path, "-wal", "-journal")
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("pragma trusted_schema = off")
            connection.execute("pragma cell_size_check = on")
            connection.set_authorizer(_allow)
            query = form.query or whole_table([name for (name,) in connection.execute(_TABLES)])
            found = connection.execute(query)
            if found.description is None:
                raise ValueError(f"the query {query!r} has no rows; expected a select statement")
            names = [name for name, *_ in found.description]
            rows = found.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        what = "the query fails" if form.query else "it is no readable SQLite database"
        raise ValueError(f"{what}: {error}") from error
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"the query gives the column {repeated[0]!r} twice; name one otherwise (select ... as ...)")
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pd.DataFrame({name: as_column(column) for name, column in zip(names, cells, strict=True)})


def _allow(action: int, *_: str | None) -> int:
    """Everything but other files: their content would not be known to be another one."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK
