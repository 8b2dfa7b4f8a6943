"""Folders in the layout that datasets.Dataset.save_to_disk writes: checked once against datasets 5, written by hand
here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mixmas_pipeline.pipelines.data.custom.cells import words
from mixmas_pipeline.pipelines.data.custom.formats import reader_of
from mixmas_pipeline.pipelines.data.custom.formats.form import Form

FEATURES: dict[str, Any] = {
    "id": {"dtype": "int64", "_type": "Value"},
    "kind": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    "photo": {"_type": "Image"},
    "vector": {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "List"},
}


def shard(start: int) -> pa.Table:
    photo = pa.array([{"bytes": b"x", "path": None}] * 3, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    return pa.table(
        {
            "id": pa.array([2**53 + 1 + start, None, start]),
            "kind": pa.array([1, -1, 0]),
            "photo": photo,
            "vector": pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32())),
        }
    )


def write(folder: Path, *shards: pa.Table, state: dict[str, Any] | None = None, features: Any = FEATURES) -> Path:
    folder.mkdir(parents=True)
    names = [f"data-{number:05}-of-{len(shards):05}.arrow" for number in range(len(shards))]
    for name, table in zip(names, shards, strict=True):
        with pa.ipc.new_stream(folder / name, table.schema) as writer:
            writer.write_table(table)
    entries = {"_data_files": [{"filename": name} for name in names], "_split": None, **(state or {})}
    (folder / "state.json").write_text(json.dumps(entries))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    (folder / "cache-1.arrow").write_bytes(b"no part of it")
    return folder


def splits(folder: Path, **names: pa.Table) -> Path:
    for name, table in names.items():
        write(folder / name, table)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(names)}))
    return folder


def read(path: Path) -> Any:
    return reader_of(path)(path, Form())


def test_a_data_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read(write(tmp_path / "pets", shard(0), shard(10)))
    assert list(found.columns) == ["id", "kind", "vector"]
    assert words(found, "id") == ["9007199254740993", None, "0", "9007199254741003", None, "10"]
    assert words(found, "kind") == ["dog", None, "cat"] * 2
    np.testing.assert_array_equal(np.stack(found["vector"]), [[1, 2]] * 6)
    assert "pets: the columns photo hold whole files and are not read; save the files, and name them" in caplog.text


def test_splits_are_a_column(tmp_path: Path) -> None:
    found = read(splits(tmp_path / "pets", train=shard(0), test=shard(10)))
    assert words(found, "split") == ["train"] * 3 + ["test"] * 3
    assert words(found, "id")[-1] == "10"


@pytest.mark.parametrize(
    ("state", "features", "message"),
    [
        (
            {"_data_files": [{"filename": "../other.arrow"}]},
            FEATURES,
            r"it names .*; expected the name",
        ),
        ({"_data_files": [{"filename": "/etc/passwd"}]}, FEATURES, "it names '/etc/passwd'"),
        ({"_data_files": [{}]}, FEATURES, "it names None; expected the name of a file"),
        ({"_data_files": []}, FEATURES, r"pets/state\.json names no files; expected _data_files"),
        (
            {"_indices_data_files": [{"filename": "i"}]},
            FEATURES,
            "pets was saved with a selection of its rows",
        ),
        ({}, {**FEATURES, "more": {}}, r"dataset_info\.json names the column 'more', which is not in the data"),
        ({}, {"kind": {"names": ["cat"], "_type": "ClassLabel"}}, "row 0, column kind: the class 1 has no name in"),
        ({}, {"kind": {"_type": "ClassLabel"}}, "the class 1 has no name in"),
        ({}, ["kind"], r"pets/dataset_info\.json has features that are a list; expected an object"),
    ],
)
def test_what_is_refused(state: dict[str, Any], features: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(write(tmp_path / "pets", shard(0), state=state, features=features))


def test_damaged_descriptions(tmp_path: Path) -> None:
    path = write(tmp_path / "pets", shard(0))
    for content, message in (
        ("[]", "is no object of JSON"),
        ('{"_data', "is no JSON: "),
        ("[" * 100_000, "is no JSON"),
    ):
        (path / "state.json").write_text(content)
        with pytest.raises(ValueError, match=rf"pets/state\.json {message}"):
            read(path)
    for entries in ('{"splits": ["../pets"]}', '{"splits": [".."]}'):
        (path / "dataset_dict.json").write_text(entries)
        with pytest.raises(ValueError, match="expected the name of a file or folder in it"):
            read(path)
    (path / "dataset_dict.json").write_text("{}")
    with pytest.raises(ValueError, match=r"dataset_dict\.json has no list 'splits'"):
        read(path)


def test_columns_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(ValueError, match="the column 'a' is there twice; expected different names"):
        read(write(tmp_path / "pets", twice, features={}))


def test_splits_of_other_columns_are_refused(tmp_path: Path) -> None:
    other = shard(0).rename_columns(["key", "kind", "photo", "vector"])
    path = splits(tmp_path / "pets", train=shard(0))
    write(path / "test", other, features={})
    (path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(ValueError, match="test: the column 'id' is not there, and in train of the type int64"):
        read(path)
    own = shard(0).drop_columns(["photo", "vector"]).rename_columns(["id", "split"])
    path = tmp_path / "other"
    write(path / "train", own, features={})
    (path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(ValueError, match="it has splits, and a column 'split' of its own; rename that column"):
        read(path)
