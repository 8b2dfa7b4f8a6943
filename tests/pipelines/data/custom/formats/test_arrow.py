"""Types that Arrow's files store. Whole numbers and damaged offsets: test_reading.py."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

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


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_types_stay(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    {"parquet": parquet.write_table, "feather": feather.write_feather}[ending](TABLE, path)
    frame = arrow.read(path, Form())
    assert words(frame, "key") == [str(2**63 + 1), None, "7"]
    assert words(frame, "kind") == ["x", "y", None]
    assert stores_dates(frame["day"])
    assert stores_dates(frame["seen"])
    assert str(frame["seen"].dt.tz) == "Europe/Berlin"
    assert [None if cell is None else list(cell) for cell in frame["steps"]] == [[1, 2], None, []]
    frame.to_parquet(tmp_path / "rows.parquet")  # as the catalog keeps them
    assert stores_dates(pd.read_parquet(tmp_path / "rows.parquet")["day"])
