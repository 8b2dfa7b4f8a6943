"""Frames from Python become files that hold the same rows."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from project_runs import ROOT

from mixmas_pipeline.data.frames import write_frame
from mixmas_pipeline.pipelines.data.custom.cells import stores_dates, words
from mixmas_pipeline.pipelines.data.custom.reading import read_frame

COLUMNS: dict[str, Any] = {
    "key": [2**53 + 1, None, 7],
    "name": ["Zoë", None, "Rex"],
    "size": [1.5, None, 2.0],
    "seen": [date(2024, 1, 5), None, date(1500, 1, 1)],
    "vector": [[1.0, 2.0], None, [3.0, 4.0]],
}


KINDS = ("pandas", "pandas, with its index", "polars", "polars, of categories", "arrow", "duckdb")


def frames() -> dict[str, Any]:
    pandas = pd.DataFrame({**COLUMNS, "key": pd.array(COLUMNS["key"], dtype="Int64")})
    polars = pl.DataFrame(COLUMNS)
    relation = duckdb.from_arrow(polars.to_arrow())
    return {
        "pandas": pandas,
        "pandas, with its index": pandas.set_index("key"),
        "polars": polars,
        "polars, of categories": polars.with_columns(pl.col("name").cast(pl.Categorical)),
        "arrow": polars.to_arrow(),
        "duckdb": relation,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_every_kind(kind: str, tmp_path: Path) -> None:
    path = write_frame(frames()[kind], str(tmp_path / "new" / "pets.parquet"))
    found = read_frame(path)
    assert list(found.columns) == list(COLUMNS)
    assert words(found, "key") == ["9007199254740993", None, "7"]
    assert words(found, "name") == ["Zoë", None, "Rex"]
    np.testing.assert_array_equal(found["size"], [1.5, np.nan, 2])
    assert stores_dates(found["seen"])
    assert [None if cell is None else list(cell) for cell in found["vector"]] == COLUMNS["vector"]
    assert [entry.name for entry in path.parent.iterdir()] == ["pets.parquet"]


def test_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "custom.md").read_text()
    (snippet,) = [
        block for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "write_frame" in block
    ]
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})
    assert words(read_frame(tmp_path / "data" / "pets.parquet"), "outcome") == ["healthy", "ill"]


def test_an_index_without_a_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]})
    with caplog.at_level("INFO"):
        write_frame(frame, tmp_path / "a.parquet")
        assert not caplog.text
        write_frame(frame[frame["a"] > 1], tmp_path / "a.parquet")
    assert "The index, which has no name, is left out" in caplog.text
    assert read_frame(tmp_path / "a.parquet")["a"].tolist() == [2, 3]
    with pytest.raises(ValueError, match="the index has values such as 'x' and no name, so it would be lost; name it"):
        write_frame(frame.set_axis(["x", "y", "z"]), tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1, "x"]}), "cells of more than one type, .*column a"),
        (pd.DataFrame({"a": [1j]}), "or of an unknown one"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "the column 'a' is there twice"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "the column '1' is there twice"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "the columns have several levels"),
        (pd.DataFrame({"a": []}), "the frame has 0 rows and 1 columns"),
        (pd.DataFrame(index=range(3)), "the frame has . rows and 0 columns"),
        (pa.table({"a": pa.array([], pa.int64())}), "the frame has 0 rows"),
    ],
)
def test_frames_that_are_refused(frame: Any, message: str, tmp_path: Path) -> None:
    write_frame(pd.DataFrame({"old": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=message):
        write_frame(frame, tmp_path / "a.parquet")
    assert list(read_frame(tmp_path / "a.parquet")) == ["old"], "what was there stays"


def test_what_is_no_frame_or_no_name_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="found list; expected a DataFrame of pandas or polars, or a table of Arrow"):
        write_frame([{"a": 1}], tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.csv is no name of a Parquet file; expected one that ends in \.parquet"):
        write_frame(pd.DataFrame({"a": [1]}), tmp_path / "a.csv")
