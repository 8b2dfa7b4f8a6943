"""JSON in its two forms."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kind_samples import frame as sample
from kind_samples import made

from mixmas_pipeline.pipelines.data.custom.cells import ID, words
from mixmas_pipeline.pipelines.data.custom.formats import records
from mixmas_pipeline.pipelines.data.custom.formats.form import Form

RECORDS: list[dict[str, Any]] = [
    {"id": 9007199254740993, "name": "Zoë", "seen": True, "size": 1, "vector": [1, 2.5]},
    {"id": 18446744073709551615, "size": 2.5, "tags": ["a", "b"], "vector": None},
    {"name": None, "id": 7, "size": None, "place": {"city": "Köln"}, "vector": [None, 1]},
]


def read(folder: Path, content: str | bytes, name: str) -> pd.DataFrame:
    content = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return records.read(folder / name, Form())


@pytest.mark.parametrize("name", ["a.json", "A.JSON", "a.json.gz", "a.jsonl", "a.ndjson", "a.jsonl.gz"])
def test_records(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    is_whole = ".json" in name.lower().removesuffix(".gz")[-5:]
    text = json.dumps(RECORDS) if is_whole else "\n\n".join(json.dumps(record) for record in RECORDS)
    with caplog.at_level("INFO"):
        found = read(tmp_path, "\ufeff" + text, name)
    assert list(found.columns) == ["id", "name", "seen", "size", "vector", "tags", "place"]
    assert words(found, "id") == ["9007199254740993", "18446744073709551615", "7"], "no digit is lost"
    assert words(found, "name") == ["Zoë", None, None]
    assert found["seen"].tolist() == [True, pd.NA, pd.NA]
    np.testing.assert_array_equal(found["size"], [1, 2.5, np.nan])
    assert words(found, "tags") == [None, '["a", "b"]', None]
    assert words(found, "place") == [None, None, '{"city": "Köln"}']
    assert found["vector"][1] is None
    np.testing.assert_array_equal(np.stack(found["vector"][[0, 2]]), [[1, 2.5], [np.nan, 1]])
    assert "tags: lists of other things than numbers, and objects, are read as JSON texts" in caplog.text


def test_lists_of_unequal_length_are_named_by_their_row(tmp_path: Path) -> None:
    found = read(tmp_path, '{"v": [1, 2]}\n{"v": [1, 2, 3]}\n', "a.jsonl")
    assert found["v"].tolist() == [[1, 2], [1, 2, 3]], "nothing is cut"
    rows = sample(v=found["v"].tolist())
    with pytest.raises(
        ValueError, match=r"row 11 \(id id-1\), column v: found the shape \(3,\); that of others is \(2,\)"
    ):
        made(rows, kind="embedding", column="v")
    assert made(rows[:1], kind="embedding", column="v").array.tolist() == [[1, 2]]
    assert ID in rows


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": 2, "b', "line 2 is no complete JSON: .* at character 10. Is the file cut off?"),
        ("a.jsonl", '{"a": 1}\n{"a": 2\n{"a": 3}\n', r"line 2 is no complete JSON: .* at character 8\.$"),
        ("a.jsonl", '{"a": 1}\n[1]\n', "line 2 is a list; expected an object with the row's cells"),
        ("a.jsonl", '{"a": 1, "a": 2}\n', "line 1: an object has the key 'a' twice"),
        ("a.jsonl", b'{"a": 1}\n{"a": "caf\xe9"}\n', "line 2 is no UTF-8 text .byte 0xe9 at 10."),
        ("a.jsonl", '{"a": ' + "[" * 100_000 + "\n", "line 1 has objects or lists in each other, too deep"),
        ("a.json", '{"a": 1}\n{"a": 2}\n', "no complete JSON: Extra data .* name the file .jsonl"),
        ("a.json", '{"a": {"0": 1}}', r"an object with the keys 'a'; expected a list of objects.*orient='records'"),
        ("a.json", '[{"a": 1}, 2]', "row 1 is a number; expected an object"),
        ("a.json", "3", "it is a number; expected a list of objects"),
        ("a.json", '[{"a": 1}, {"a": ', "no complete JSON: .*line 1, character 18"),
        ("a.json", '[{"a": ' + "1" * 5000 + "}]", "it: Exceeds the limit"),
        ("a.json", '[{"a": [1]}, {"a": [[2], [' + "1" * 401 + "]]}]", "row 1, column a: a list has a number of 401 d"),
    ],
)  # fmt: skip
def test_what_is_refused(name: str, text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, name)
