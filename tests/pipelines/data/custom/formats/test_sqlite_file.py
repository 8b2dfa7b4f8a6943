"""SQLite databases as other programs write them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mixmas_pipeline.pipelines.data.custom.cells import words
from mixmas_pipeline.pipelines.data.custom.formats import sqlite_file
from mixmas_pipeline.pipelines.data.custom.formats.form import Form


def write(folder: Path, *statements: str) -> Path:
    path = folder / "shop # 1?.sqlite"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements or TABLES:
            connection.execute(statement)
        connection.commit()
    return path


TABLES = (
    "create table pets (id integer, name text, age real, note)",
    "insert into pets values (9007199254740993, 'Zoë', 1.5, 'a'), (2, null, null, 7), (3, 'Rex', 2, null)",
    "create table visits (id integer, cost real)",
    "insert into visits values (2, 10.5), (3, 4)",
)


def read(path: Path, query: str | None = None) -> pd.DataFrame:
    return sqlite_file.read(path, Form(query=query))


def test_a_query(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    frame = read(path, "select p.*, cost from pets p left join visits v on p.id = v.id order by name desc")
    assert list(frame.columns) == ["id", "name", "age", "note", "cost"]
    assert words(frame, "name") == ["Zoë", "Rex", None]
    assert words(frame, "id") == ["9007199254740993", "3", "2"]
    assert words(frame, "note") == ["a", None, "7"]
    np.testing.assert_array_equal(frame["age"], [1.5, 2, np.nan])
    np.testing.assert_array_equal(frame["cost"], [np.nan, 4, 10.5])
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name], "nothing is left beside it"
    assert list(read(path, "select id from pets where id < 0").columns) == ["id"]


def test_without_a_query_the_only_table_is_read(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, *TABLES[:2]))) == 3
    with pytest.raises(ValueError, match="it has the tables 'pets', 'visits'; write query: and a select statement"):
        read(write(tmp_path))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select agee from pets", "the query fails: no such column: agee"),
        ("delete from pets", "the query fails: attempt to write a readonly database"),
        ("select 1; select 2", "the query fails: You can only execute one statement at a time"),
        ("attach 'other.db' as other", "the query fails: not authorized"),
        ("select p.id, v.id from pets p, visits v", "the query gives the column 'id' twice; name one otherwise"),
        ("begin", "the query 'begin' has no rows; expected a select statement"),
        ("", "has no rows; expected a select|it has the tables"),
    ],
)
def test_queries_that_are_refused(query: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        read(path, query)
    assert path.read_bytes() == before


def test_a_database_that_is_being_written_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("insert into visits values (9, 9)")
        connection.commit()
        with pytest.raises(ValueError, match=r"it has changes that are in shop # 1\?\.sqlite-wal; close the program"):
            read(path, "select * from visits")
    assert len(read(path, "select * from visits")) == 3, "the last connection moves the changes into the file"


def test_a_damaged_database(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="the query fails: database disk image is malformed"):
        read(path, "select * from pets")
    path.write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(ValueError, match="it is no readable SQLite database"):
        read(path)
