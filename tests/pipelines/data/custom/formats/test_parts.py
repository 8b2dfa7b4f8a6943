"""Folders of Parquet files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from mixmas_pipeline.pipelines.data.custom.cells import words
from mixmas_pipeline.pipelines.data.custom.formats import parts, reader_of
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.storage.hashing import hash_path

FRAME = pd.DataFrame({"key": pd.array([2**53 + 1, None, 3, 4], dtype="Int64"), "kind": ["x", "y", None, "z"]})


def write(folder: Path) -> Path:
    """Two parts, in another order of columns, with an empty one and what Spark leaves beside them."""
    path = folder / "pets"
    path.mkdir()
    FRAME[2:].to_parquet(path / "part-00001.parquet", index=False)
    FRAME[:2][["kind", "key"]].to_parquet(path / "part-00000.snappy.parquet", index=False)
    FRAME[:0].to_parquet(path / "part-00002.parquet", index=False)
    (path / "_SUCCESS").touch()
    (path / "_delta_log").mkdir()
    (path / ".part-00000.snappy.parquet.crc").write_bytes(b"crc")
    return path


def test_parts_are_one_table_in_the_order_of_their_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path)
    frame = reader_of(path)(path, Form())
    assert words(frame, "key") == ["9007199254740993", None, "3", "4"]
    assert words(frame, "kind") == ["x", "y", None, "z"]
    assert not caplog.text
    (path / "notes.txt").write_text("x")
    parts.read(path, Form())
    assert "pets: 1 entries that are no .parquet are not read, for example notes.txt" in caplog.text


def test_parts_of_several_programs(tmp_path: Path) -> None:
    for number, kind in enumerate((pa.string(), pa.large_string())):
        table = pa.table({"kind": pa.array([f"a{number}"], kind)})
        parquet.write_table(table, tmp_path / f"{number}.parquet")
    assert words(parts.read(tmp_path, Form()), "kind") == ["a0", "a1"]


def test_another_content_of_any_part_is_another_hash(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = hash_path(path)
    FRAME[3:].to_parquet(path / "part-00002.parquet", index=False)
    assert hash_path(path) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kind": [1, 2]},
            "'kind' is of the type int64, and in part-00000.snappy.parquet of the type string",
        ),
        (
            {"more": [1, 2]},
            "'more' is of the type int64, and in part-00000.snappy.parquet not there; expected",
        ),
        ({"key": None}, "'key' is not there, and in part-00000.snappy.parquet of the type int64; expected the same in"),
    ],
)
def test_parts_of_other_columns_are_refused(change: dict[str, list[int] | None], message: str, tmp_path: Path) -> None:
    path = write(tmp_path)
    other = FRAME[:2].assign(**{key: value for key, value in change.items() if value is not None})
    other = other.drop(columns=[key for key, value in change.items() if value is None])
    other.to_parquet(path / "part-9.parquet", index=False)
    with pytest.raises(ValueError, match=re.escape(f"part-9.parquet: the column {message}")):
        parts.read(path, Form())


def test_folders_that_are_no_table(tmp_path: Path) -> None:
    path = write(tmp_path)
    (path / "part-3.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"part-3\.parquet: "):
        parts.read(path, Form())
    (path / "year=2024").mkdir()
    FRAME.to_parquet(path / "year=2024" / "a.parquet")
    with pytest.raises(ValueError, match="it has a folder 'year=2024' with further parts; expected all parts in one"):
        parts.read(path, Form())
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="it is a folder with nothing; expected files that end in"):
        reader_of(empty)
    (empty / "metadata.csv").write_text("file_name,label\n")
    with pytest.raises(ValueError, match=r"it is a folder with metadata\.csv; name that file: empty/metadata\.csv"):
        reader_of(empty)
