"""A query of a DuckDB database, which is only read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.pipelines.data.custom.formats.arrow import to_frame
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.pipelines.data.custom.formats.queries import check_settled, whole_table

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

FIRST_BYTES = b"DUCK"  # after a checksum of 8 bytes
# Nothing is fetched, and no other file is read.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
}
# DuckDB hands over other numbers than they are (2^128 - 1 as -1), or bytes.
_NOT_HANDED_OVER = ("uhugeint", "bignum", "bit")
_TABLES = "select table_name from information_schema.tables where table_schema = 'main' order by table_name"


def read(path: Path, form: Form) -> pd.DataFrame:
    """The rows of ``form.query``, else of the only table or view, with the types of its columns.

    Raises:
        ValueError: the database is damaged or being written; the query fails, would change something, or reads another
            file; there is no query, and not one table.
    """
    import duckdb

    check_settled(path, ".wal")
    try:
        with duckdb.connect(str(path), read_only=True, config=_SETTINGS) as connection:
            query = form.query
            if query is None:
                query = whole_table([name for (name,) in connection.execute(_TABLES).fetchall()])
            statements = connection.extract_statements(query)
            if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
                raise ValueError(f"the query {query!r} is not one select statement")
            found = connection.sql(statements[0])
            _check_types(found)
            table = found.to_arrow_table()
    except duckdb.Error as error:
        what = "the query fails" if form.query else "it is no readable DuckDB database"
        raise ValueError(f"{what}: {error}") from error
    if repeated := [name for name in table.column_names if table.column_names.count(name) > 1]:
        raise ValueError(f"the query gives the column {repeated[0]!r} twice; name one otherwise (select ... as ...)")
    _check_finite(table)
    return to_frame(table)


def _check_finite(table: pa.Table) -> None:
    """Refuse the timestamps infinity and -infinity, which Arrow has as moments some 292,000 years away."""
    import pyarrow as pa
    from pyarrow import compute

    for name in table.column_names:
        if pa.types.is_timestamp(table[name].type):
            values = compute.drop_null(table[name].cast(pa.int64()))
            if compute.any(compute.is_in(values, pa.array([2**63 - 1, 1 - 2**63]))).as_py():
                raise ValueError(
                    f"the column {name!r} has an infinite timestamp; expected moments. Leave such rows out in the "
                    "query, or make them null"
                )


def _check_types(found: duckdb.DuckDBPyRelation) -> None:
    for name, kind in zip(found.columns, found.types, strict=True):
        if kind.id in _NOT_HANDED_OVER:
            quoted = name if re.fullmatch("[a-z_]+", name) else '"' + name.replace('"', '""') + '"'
            raise ValueError(
                f"the column {name!r} has the type {kind}, which is not read; take it as text in the query: select "
                f"{quoted}::varchar as {quoted}"
            )
