"""DuckDB databases."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from mixmas_pipeline.pipelines.data.custom.cells import numbers, stores_dates, words
from mixmas_pipeline.pipelines.data.custom.formats import duckdb_file, reader_of
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.pipelines.data.custom.reading import name_rows

TABLES = (
    "create table pets (id bigint, name text, born date, price decimal(9, 2))",
    "insert into pets values (9007199254740993, 'Zoë', '2024-01-05', 1.50), (2, null, null, null)",
    "create view old as select * from pets where id = 2",
)


def write(folder: Path, *statements: str) -> Path:
    path = folder / "shop.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        for statement in statements or TABLES:
            connection.execute(statement)
    return path


def read(path: Path, query: str | None = None) -> pd.DataFrame:
    return duckdb_file.read(path, Form(query=query))


def test_a_query_keeps_types(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    frame = read(path, "select *, id + 1 as next from pets order by name desc nulls last")
    assert words(frame, "id") == ["9007199254740993", "2"]
    assert words(frame, "next") == ["9007199254740994", "3"]
    assert words(frame, "name") == ["Zoë", None]
    assert stores_dates(frame["born"])
    assert numbers(name_rows(frame, None), "price")[0] == 1.5
    frame.to_parquet(tmp_path / "rows.parquet")  # as the catalog keeps them
    assert path.read_bytes() == before


def test_without_a_query_the_only_table_is_read(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, *TABLES[:2]))) == 2
    with pytest.raises(ValueError, match="it has the tables 'old', 'pets'; write query: and a select statement"):
        read(write(tmp_path))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select agee from pets", '(?s)the query fails: .*"agee" not found'),
        ("delete from pets", "is not one select statement"),
        ("select 1 as a; select 2 as a", "is not one select statement"),
        ("", "is not one select statement"),
        ("select * from read_csv('/etc/passwd')", "(?s)the query fails: .*disabled"),
        ("select id, id from pets", "the query gives the column 'id' twice; name one otherwise"),
        (
            "select id, 2::uhugeint as n from pets",
            "the column 'n' has the type UHUGEINT, .* n::varchar",
        ),
        ("select '101'::bit as \"a b\"", 'the column \'a b\' has the type BIT, .* select "a b"::varchar as "a b"'),
        ("select timestamp 'infinity' as born", "the column 'born' has an infinite timestamp; expected moments"),
        ("select timestamptz '-infinity' as born", "the column 'born' has an infinite timestamp; expected moments"),
        ("select date 'infinity' as born", "the column 'born' cannot be read: year 5881580 is out of range"),
    ],
)
def test_queries_that_are_refused(query: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(write(tmp_path), query)


def test_a_database_that_is_no_such_thing_or_being_written(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "shop.duckdb.wal").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"it has changes that are in shop\.duckdb\.wal"):
        read(path)
    (tmp_path / "shop.duckdb.wal").unlink()
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="it is no readable DuckDB database"):
        read(path)


def test_the_first_bytes_tell_which_database_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, *TABLES[:2]).rename(tmp_path / "shop.db")
    assert len(reader_of(path)(path, Form())) == 2
    path.write_bytes(b"no database of any kind")
    with pytest.raises(ValueError, match="it is no database of SQLite or DuckDB"):
        reader_of(path)(path, Form())
