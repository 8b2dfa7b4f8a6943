"""What kedro-viz shows of files: the beginning, and nothing that the viewer cannot draw."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from atomic_samples import FrameFile, JSONFile
from PIL import Image

from mixmas_pipeline.datasets.contents import PREVIEW_ROWS, clips, contents, frame_preview
from mixmas_pipeline.datasets.rows_file import RowsFileDataset
from mixmas_pipeline.pipelines.data.avmnist.clips import DemoNoiseDataset


def test_only_the_first_rows_of_a_frame_are_read(tmp_path: Path) -> None:
    dataset = FrameFile(filepath=str(tmp_path / "frame.parquet"))
    dataset.save(pd.DataFrame({"number": np.arange(1000), "text": ["a"] * 1000}))
    preview = dataset.preview()
    assert preview["data"] == [[number, "a"] for number in range(40)]
    dataset = FrameFile(filepath=str(tmp_path / "empty.parquet"))
    dataset.save(pd.DataFrame({"number": []}))
    assert dataset.preview() == {"columns": ["number"], "index": [], "data": []}


def test_long_lists_are_cut(tmp_path: Path) -> None:
    dataset = JSONFile(filepath=str(tmp_path / "document.json"))
    dataset.save({"a": [{"losses": list(range(200))}], "b": [1, 2]})
    assert dataset.preview() == (
        '{"a": [{"losses": [' + ", ".join(map(str, range(40))) + ', "\\u2026 and 160 more"]}], "b": [1, 2]}'
    )


def test_clips_are_shown_as_spectrograms(tmp_path: Path) -> None:
    DemoNoiseDataset(clips=1).load().to_parquet(tmp_path / "clips.parquet", index=False)
    picture = Image.open(io.BytesIO(base64.b64decode(clips(tmp_path / "clips.parquet"), validate=True)))
    assert picture.height > 4 * 96


def test_frame_preview_has_the_split_form_of_pandas() -> None:
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(60)], 7: np.arange(60), "x": np.arange(60) / 8})
    preview = frame_preview(frame)
    expected = json.loads(frame.head(PREVIEW_ROWS).to_json(orient="split"))
    assert preview["index"] == expected["index"]
    assert preview["columns"] == ["name", "7", "x"]
    assert preview["data"] == expected["data"]


def test_frame_preview_is_short_and_can_be_json() -> None:
    frame = pd.DataFrame(
        {
            "vector": [np.zeros(112), np.zeros(3)],
            "number": [1 / 3, 2 / 3],
            "integer": np.array([1, 2], dtype=np.int32),
            "flag": [True, False],
            "text": ["a", None],
        }
    )
    first, second = frame_preview(frame)["data"]
    assert first == ["112 values", 0.3333, 1, True, "a"]
    assert second[:4] == ["3 values", 0.6667, 2, False]
    json.dumps([first[:4], second[:4]])


def test_files_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", image=np.zeros((3, 4, 5), np.uint8))
    rows = RowsFileDataset(filepath=str(tmp_path / "rows.npz"), key="k")
    assert rows.preview()["data"] == [["image", "3×4×5", "uint8"]]


def test_tables_of_the_user_in_every_format(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["café"], "age": ["3"]})
    for name in ("a.csv", "a.csv.gz"):
        frame.to_csv(tmp_path / name, index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_feather(tmp_path / "a.feather")
    with pa.ipc.new_stream(tmp_path / "a.arrow", (table := pa.Table.from_pandas(frame)).schema) as writer:
        writer.write_table(table)
    for path in sorted(tmp_path.iterdir()):
        assert contents(path)["data"] == [["café", "3"]], path
    frame.to_csv(tmp_path / "latin.csv", index=False, encoding="latin-1")
    assert contents(tmp_path / "latin.csv")["data"] == [["caf\ufffd", "3"]]
    (tmp_path / "a.xlsx").write_bytes(bytes(7))
    assert contents(tmp_path / "a.xlsx")["data"] == [["a.xlsx", 7]]
    assert len(contents(tmp_path)["data"]) == 8
