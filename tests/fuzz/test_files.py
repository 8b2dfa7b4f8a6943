"""Damaged and hostile files: every reader reads them, or refuses them with an error of its own.

It neither crashes nor hangs, nor takes gigabytes for a file of a few kB. ``MIXMAS_FUZZ=2000`` draws that many examples
of each format, from a random seed.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sqlite3
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
from apart import run_apart
from fuzzing import examples
from hypothesis import event, given
from hypothesis import strategies as st
from kedro.io import DatasetError
from mmimdb_samples import SPLITS, posters, record, small_films, write_hdf5
from PIL import Image
from safetensors.numpy import save as save_tensors

from mixmas_pipeline.data.arrow import read_table, write_table
from mixmas_pipeline.data.pictures import read_picture
from mixmas_pipeline.data.rows import load_arrays
from mixmas_pipeline.data.sound import read_sound
from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.data.avmnist.digits import read_idx
from mixmas_pipeline.pipelines.data.custom.kinds.files import Files
from mixmas_pipeline.pipelines.data.custom.reading import read_frame
from mixmas_pipeline.pipelines.data.mimic.sources import read_arrays as read_pickle
from mixmas_pipeline.pipelines.data.mmimdb.films import FilmArrays
from mixmas_pipeline.pipelines.data.mmimdb.parameters import PictureParameters
from mixmas_pipeline.pipelines.data.mmimdb.reading import parse_record, parse_splits, read_hdf5
from mixmas_pipeline.storage.errors import StorageError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
REFUSALS = (ValueError, OSError, DatasetError, StorageError)
FRAME = pd.DataFrame(
    {
        "id": [f"name {i}" for i in range(30)],
        "size": np.arange(30.0),
        "kind": pd.Categorical(["x", "y", None] * 10),
        "steps": [[1.0, 2.0]] * 30,
    }
)


def _buffered(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def _picture(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (12, 17, 3), np.uint8)
    return _buffered(lambda file: Image.fromarray(pixels).save(file, kind))


def _sound(kind: str) -> bytes:
    wave = np.sin(np.arange(2000) / 9).astype(np.float32)
    return _buffered(lambda file: soundfile.write(file, wave, 8000, format=kind))


def _zip() -> bytes:
    def write(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.txt", "abc" * 100)
            archive.writestr("b/c.txt", b"\x00" * 500)

    return _buffered(write)


def _arrow() -> bytes:
    schema = TableSchema({"facts": Modality("tabular", (3,), "float32")}, "binary", ("a", "b"), source="none")
    table = MultimodalTable(schema, {"facts": np.ones((9, 3), np.float32)}, np.arange(9) % 2, np.arange(9).astype(str))
    with tempfile.TemporaryDirectory() as folder:
        write_table(table, Path(folder) / "rows.arrow")
        return (Path(folder) / "rows.arrow").read_bytes()


def _read_members(path: Path) -> None:
    with Files(path) as files:
        for name in files.names():
            files.read(name)


def _read_foreign(path: Path) -> None:
    table = read_table(path, foreign=True)
    table.check()
    for array in (*table.arrays.values(), table.labels, table.ids):
        np.array(array)


def _hdf5() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path, _ = write_hdf5(Path(folder) / "films.hdf5", posters(small_films()))
        return path.read_bytes()


def _read_films(path: Path) -> None:
    words = tuple(f"word{number}" for number in range(200))
    frame, pictures = read_hdf5(FilmArrays(path, words, None), PictureParameters(height=24, width=16), str(path.parent))
    frame.to_csv()
    np.array(pictures)


def _read_whole(path: Path) -> None:
    read_frame(path).to_csv()


class Format(NamedTuple):
    """A format.

    Attributes:
        content: of a good file.
        ending: of its name.
        read: reads all of it.
    """

    content: bytes
    ending: str
    read: Callable[[Path], object]


def _orc() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        FRAME.astype({"kind": str}).to_orc(Path(folder) / "a.orc")
        return (Path(folder) / "a.orc").read_bytes()


def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with closing(sqlite3.connect(Path(folder) / "a.db")) as connection:
            FLAT.astype({"kind": str}).to_sql("t", connection)
        return (Path(folder) / "a.db").read_bytes()


def _duckdb() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with duckdb.connect(str(Path(folder) / "a.duckdb")) as connection:
            connection.register("flat", FLAT.astype({"kind": str}))
            connection.execute("create table t as select * from flat")
        return (Path(folder) / "a.duckdb").read_bytes()


def _stream() -> bytes:
    table = pa.Table.from_pandas(FRAME)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _read_parts(path: Path) -> None:
    """As a part of a folder."""
    read_frame(path.parent).to_csv()


FLAT = FRAME.drop(columns="steps")
TEXT = FLAT.to_csv(index=False).encode()
LINES = FRAME.to_json(orient="records", lines=True).encode()
ARRAYS = {"a": np.arange(12.0).reshape(3, 4), "names": np.array(["x", "yy", "z"])}
FORMATS = {
    "csv": Format(TEXT, ".csv", _read_whole),
    "csv.gz": Format(gzip.compress(TEXT), ".csv.gz", _read_whole),
    "csv in UTF-16": Format(TEXT.decode().encode("utf-16"), ".csv", _read_whole),
    "xlsx": Format(_buffered(lambda file: FLAT.to_excel(file, index=False)), ".xlsx", _read_whole),
    "json": Format(FRAME.to_json(orient="records").encode(), ".json", _read_whole),
    "jsonl": Format(LINES, ".jsonl", _read_whole),
    "jsonl.gz": Format(gzip.compress(LINES), ".jsonl.gz", _read_whole),
    "orc": Format(_orc(), ".orc", _read_whole),
    "arrow of a table": Format(_buffered(lambda file: FRAME.to_feather(file)), ".arrow", _read_whole),
    "arrow stream": Format(_stream(), ".arrow", _read_whole),
    "sqlite": Format(_sqlite(), ".db", _read_whole),
    "duckdb": Format(_duckdb(), ".duckdb", _read_whole),
    "parts": Format(_buffered(lambda file: FRAME.to_parquet(file)), ".parquet", _read_parts),
    "parquet": Format(_buffered(lambda file: FRAME.to_parquet(file)), ".parquet", _read_whole),
    "feather": Format(_buffered(lambda file: FRAME.to_feather(file)), ".feather", _read_whole),
    "feather, not packed": Format(
        _buffered(lambda file: FRAME.to_feather(file, compression="uncompressed")), ".feather", _read_whole
    ),
    "npz of a table": Format(_buffered(lambda file: np.savez(file, **ARRAYS)), ".npz", _read_whole),
    "npz": Format(_buffered(lambda file: np.savez_compressed(file, **ARRAYS)), ".npz", load_arrays),
    "safetensors": Format(save_tensors({"a": ARRAYS["a"]}), ".safetensors", load_arrays),
    "arrow": Format(_arrow(), ".arrow", _read_foreign),
    **{
        k: Format(_picture(k), "", lambda path: read_picture(path.read_bytes(), 8, 8))
        for k in ("PNG", "JPEG", "GIF", "WEBP", "BMP")
    },
    **{
        k: Format(_sound(k), "", lambda path: read_sound(path.read_bytes()))
        for k in ("WAV", "FLAC", "AIFF", "W64", "OGG")
    },
    "zip": Format(_zip(), ".zip", _read_members),
    "idx": Format(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 2, 5, 5) + bytes(50)), ".gz", read_idx),
    "film": Format(record(), ".json", lambda path: parse_record(path.name, path.read_bytes())),
    "splits of films": Format(
        json.dumps(SPLITS).encode(), ".json", lambda path: parse_splits(path.name, path.read_bytes())
    ),
    **({"hdf5": Format(_hdf5(), ".hdf5", _read_films)} if find_spec("h5py") else {}),
    "pickle": Format(pickle.dumps({"a": ARRAYS["a"], "b": np.arange(5)}, protocol=2), ".pk", read_pickle),
}
NUMBERS = [0, 1, 255, 2**15, 2**16 - 1, 2**30, 2**31 - 1, 2**31, 2**32 - 1]


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with a few changes: bytes, numbers of 16 and 32 bits, a part left out or doubled, an early end."""
    result = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(result) - 1)))
        match draw(st.sampled_from(["byte", "number", "cut", "double", "end"])):
            case "byte":
                result[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case "number":
                form = draw(st.sampled_from(["<I", ">I", "<H", ">H"]))
                number = draw(st.sampled_from(NUMBERS)) % (1 << 8 * struct.calcsize(form))
                start = place & ~3 if draw(st.booleans()) else place
                result[start : start + struct.calcsize(form)] = struct.pack(form, number)
            case "cut":
                del result[place : place + draw(st.integers(1, 40))]
            case "double":
                result[place:place] = result[place : place + draw(st.integers(1, 40))]
            case "end":
                del result[place:]
    return bytes(result)


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    path = tmp_path / f"file{form.ending}"
    path.write_bytes(form.content)
    assert run_apart(lambda: form.read(path), REFUSALS) == "done"

    @examples(25)
    @given(content=damaged(form.content))
    def draw(content: bytes) -> None:
        path.write_bytes(content)
        outcome = run_apart(lambda: form.read(path), REFUSALS)
        event(outcome[:60])
        assert outcome == "done" or outcome.startswith("refused: "), outcome

    draw()
