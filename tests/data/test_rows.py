"""Files of new rows: what fits is read the same from every format, what does not is named."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from artefact_samples import assert_same_table, small_table
from safetensors.numpy import save_file

from mixmas_pipeline.data import rows
from mixmas_pipeline.data.arrow import write_table
from mixmas_pipeline.data.rows import load_arrays, read_rows
from mixmas_pipeline.data.table import MultimodalTable, TableSchema

Columns = dict[str, np.ndarray]


def columns(table: MultimodalTable, ids: bool = True) -> Columns:
    found = {**table.arrays, "labels": table.labels, **{f"present.{m}": p for m, p in table.present.items()}}
    return {**found, "ids": table.ids.astype(str)} if ids else found


def optional_table() -> MultimodalTable:
    """The vector is optional, and missing in rows 1 and 4."""
    table = small_table()
    vector = replace(table.schema.modalities["vector"], optional=True)
    schema = replace(table.schema, modalities={**table.schema.modalities, "vector": vector})
    there = np.array([True, False, True, True, False, True])
    arrays = {**table.arrays, "vector": table.arrays["vector"] * there[:, None]}
    return MultimodalTable(schema, arrays, table.labels, table.ids, present={"vector": there})


@pytest.mark.parametrize("make", [small_table, optional_table])
def test_every_format_gives_the_same_rows(make: Callable[[], MultimodalTable], tmp_path: Path) -> None:
    table = make()
    table.extra = {}
    write_table(table, tmp_path / "rows.arrow")
    np.savez(tmp_path / "rows.npz", **columns(table))  # type: ignore[arg-type]
    for name in ("rows.arrow", "rows.npz"):
        assert_same_table(read_rows(tmp_path / name, table.schema), table)
    save_file(columns(table, ids=False), tmp_path / "rows.safetensors")
    numbered = MultimodalTable(table.schema, table.arrays, table.labels, list("012345"), present=table.present)
    assert_same_table(read_rows(tmp_path / "rows.safetensors", table.schema), numbered)


def test_labels_ids_and_optional_modalities_may_be_left_out(tmp_path: Path) -> None:
    table = optional_table()
    np.savez(tmp_path / "rows.npz", image=table.arrays["image"])
    rows = read_rows(tmp_path / "rows.npz", table.schema)
    assert not rows.labelled
    assert list(rows.ids) == list("012345")
    assert not rows.present["vector"].any()
    assert not rows.arrays["vector"].any()


def changed(**new: np.ndarray | None) -> Columns:
    """The small table's columns with some replaced, or left out."""
    found = {**columns(small_table()), **new}
    return {name: column for name, column in found.items() if column is not None}


VECTOR = small_table().arrays["vector"]
NAN = VECTOR.copy()
NAN[4, 1] = np.nan


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (changed(vector=VECTOR[:, :2]), r"column 'vector' is float32 \(6, 2\); .* float32 \(6, 3\)"),
        (changed(vector=VECTOR.astype(float)), r"column 'vector' is float64 \(6, 3\); .* float32 \(6, 3\)"),
        (changed(vector=VECTOR[:5]), r"column 'vector' is float32 \(5, 3\); .* float32 \(6, 3\)"),
        (changed(vector=NAN), r"column 'vector', row 4 \(id row-4\): NaN or infinity .* expected finite numbers"),
        (changed(vector=None), r"modality 'vector' is missing; expected float32 \(rows, \*\(3,\)\)"),
        (changed(sound=VECTOR), r"unknown array 'sound'; expected image, vector, ids, labels"),
        (changed(image=None, vector=None), "the file has no modality; expected image, vector"),
        (changed(ids=np.array(list("abcdea"))), "id 'a' occurs 2 times; ids must be unique"),
        (changed(ids=np.array(list("abc"))), "3 ids for 6 rows"),
        (changed(labels=np.arange(6)), r"row 3 \(id row-3\): unknown label 3; expected 0 to 2"),
        (changed(ids=np.array(list("abcdef"), object)), r"array 'ids' holds Python objects; .* \.astype\(str\)"),
        ({**changed(), "present.vector": np.arange(6) > 0}, "'vector' is missing in some rows; every row of the"),
        (changed(vector=np.float32(1)), r"column 'vector' is float32 \(1,\)"),
    ],
)
def test_what_does_not_fit_is_named(given: Columns, said: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, **given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"rows.npz: .*{said}"):
        read_rows(path, small_table().schema)


@pytest.mark.parametrize(
    ("column", "what", "value"), [("image", "scale", 1.0), ("image", "unit", "lux"), ("vector", "dtype", "float64")]
)
def test_tables_in_other_units_are_refused(column: str, what: str, value: object, tmp_path: Path) -> None:
    """Their numbers would mean something else to the model."""
    table = small_table()
    other = replace(table.schema.modalities[column], **{what: value})  # type: ignore[arg-type]
    schema = replace(table.schema, modalities={**table.schema.modalities, column: other})
    arrays = {**table.arrays, column: table.arrays[column].astype(other.dtype)}
    path = tmp_path / "rows.arrow"
    write_table(MultimodalTable(schema, arrays, None, table.ids), path)
    with pytest.raises(ValueError, match=f"column {column!r} has the {what} {value!r}; expected"):
        read_rows(path, table.schema)


def test_tables_with_other_labels_are_refused_but_not_without(tmp_path: Path) -> None:
    table = small_table()
    schema = TableSchema(table.schema.modalities, "multiclass", ("cow", "cat", "dog"))
    for labels in (table.labels, None):
        write_table(MultimodalTable(schema, table.arrays, labels, table.ids), tmp_path / "rows.arrow")
        if labels is None:
            assert read_rows(tmp_path / "rows.arrow", table.schema).schema == table.schema
        else:
            with pytest.raises(ValueError, match=r"cow.*expected multiclass.*cat"):
                read_rows(tmp_path / "rows.arrow", table.schema)


@pytest.mark.parametrize("name", ["rows.npz", "rows.safetensors", "rows.arrow"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half an archive", b"\x00" * 40])
def test_damaged_files_are_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        read_rows(tmp_path / name, small_table().schema)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def archive(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", content)
    return path


def test_arrays_that_promise_more_than_they_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = npy(np.zeros((8, 8), np.float32)).replace(b"(8, 8)", b"(8; 8)")
    with pytest.raises(ValueError, match="'x' is no array, or has a damaged header"):
        load_arrays(archive(tmp_path / "a.npz", short))
    header = npy(np.zeros((8, 8), np.float32))
    promised = header.replace(b"(8, 8), }          ", b"(99999999999, 8), }")
    assert promised != header
    with pytest.raises(ValueError, match=r"array 'x' is cut off: its header announces the shape \(99999999999, 8\)"):
        load_arrays(archive(tmp_path / "b.npz", promised))
    bomb = archive(tmp_path / "c.npz", npy(np.zeros(10**6)))
    assert load_arrays(bomb)["x"].shape == (10**6,)
    monkeypatch.setattr(rows, "_LARGE", 10**6)
    with pytest.raises(ValueError, match=r"array 'x' would take .* times its size in the file; expected at most 200"):
        load_arrays(bomb)
    noise = archive(tmp_path / "d.npz", npy(np.random.default_rng(0).random(10**6)))
    assert load_arrays(noise)["x"].shape == (10**6,)


def test_what_is_no_archive_of_arrays_is_told(tmp_path: Path) -> None:
    (tmp_path / "single.npz").write_bytes(npy(np.zeros(3)))
    with pytest.raises(ValueError, match="it is a single array; expected an archive of named ones"):
        load_arrays(tmp_path / "single.npz")
    header = b'{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ValueError, match=r"numbers of a type that numpy has not .*; save them as float32"):
        load_arrays(tmp_path / "a.safetensors")
    content = bytearray(archive(tmp_path / "a.npz", npy(np.zeros(3))).read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1  # the flag of encryption
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"not a complete .npz file .*password"):
        load_arrays(tmp_path / "a.npz")


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rows.csv: expected .* \.arrow, \.npz, \.safetensors"):
        read_rows(tmp_path / "rows.csv", small_table().schema)
