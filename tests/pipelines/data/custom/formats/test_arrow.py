"""Types that Arrow's files store. Whole numbers and damaged offsets: test_reading.py."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, orc, parquet

from mixmas_pipeline.pipelines.data.custom.cells import stores_dates, words
from mixmas_pipeline.pipelines.data.custom.formats import arrow
from mixmas_pipeline.pipelines.data.custom.formats.form import Form

TABLE = pa.table(
    {
        "key": pa.array([2**63 + 1, None, 7], pa.uint64()),
        "day": pa.array([date(2024, 1, 5), None, date(1500, 1, 1)], pa.date32()),
        "seen": pa.array([0, None, 86_400_000_000], pa.timestamp("us", "Europe/Berlin")),
        "kind": pa.array(["x", "y", None]).dictionary_encode(),
        "steps": pa.array([[1.0, 2.0], None, []], pa.list_(pa.float32())),
    }
)


def write_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    "parquet": parquet.write_table,
    "feather": feather.write_feather,
    "arrow": feather.write_feather,
    "stream.arrow": write_stream,
    "ORC": lambda table, path: orc.write_table(_as_orc(table), path),
}


def _as_orc(table: pa.Table) -> pa.Table:
    """ORC has no numbers above 2**63, and no dictionaries."""
    key = pa.array([2**53 + 1, None, 7])
    return table.set_column(0, "key", key).set_column(3, "kind", table["kind"].cast(pa.string()))


@pytest.mark.parametrize("ending", WRITERS)
def test_types_stay(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    WRITERS[ending](TABLE, path)
    frame = arrow.read(path, Form())
    assert words(frame, "key") == [str(2**53 + 1 if ending == "ORC" else 2**63 + 1), None, "7"]
    assert words(frame, "kind") == ["x", "y", None]
    assert stores_dates(frame["day"])
    assert stores_dates(frame["seen"])
    assert str(frame["seen"].dt.tz) == ("UTC" if ending == "ORC" else "Europe/Berlin")
    assert [None if cell is None else list(cell) for cell in frame["steps"]] == [[1, 2], None, []]
    frame.to_parquet(tmp_path / "rows.parquet")  # as the catalog keeps them
    assert stores_dates(pd.read_parquet(tmp_path / "rows.parquet")["day"])


@pytest.mark.parametrize("ending", ["stream.arrow", "arrow"])  # pyarrow refuses such a .parquet
def test_a_column_that_is_there_twice_is_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    WRITERS[ending](pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(ValueError, match="the column 'a' is there twice; expected different names"):
        arrow.read(path, Form())


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([0, 3_000_000], pa.int32()).cast(pa.date32()), "year 10183 is out of range"),
        (pa.array([[3_000_000]], pa.list_(pa.int32())).cast(pa.list_(pa.date32())), "year 10183 is out of range"),
        (
            pa.array([0], pa.timestamp("us", "Mars/Base")),
            "its time zone 'Mars/Base' is not known; expected one",
        ),
    ],
)
def test_cells_that_cannot_be_read_are_named_by_their_column(column: pa.Array, message: str, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": pa.array(range(len(column))), "seen": column}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=f"the column 'seen' cannot be read: {message}"):
        arrow.read(tmp_path / "a.parquet", Form())


@pytest.mark.parametrize(
    ("index", "kind", "level"), [(["rex", "tom"], "large_string", "WARNING"), ([7, 3], "int64", "INFO")]
)
def test_an_index_without_a_name_is_left_out_aloud(
    index: list[Any], kind: str, level: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pd.DataFrame({"a": [1, 2]}, index=index).to_parquet(tmp_path / "a.parquet")
    with caplog.at_level("INFO"):
        assert arrow.read(tmp_path / "a.parquet", Form()).to_dict("list") == {"a": [1, 2]}
    (record,) = caplog.records
    assert record.levelname == level
    assert f"The column '__index_level_0__', of the type {kind}, is not read: an index without a name" in caplog.text
