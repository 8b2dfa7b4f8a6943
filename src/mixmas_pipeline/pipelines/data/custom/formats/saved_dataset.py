"""A folder that the package ``datasets`` of Hugging Face has written with ``save_to_disk``: Arrow files, and JSON that
names them. The package itself is not needed."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.pipelines.data.custom.formats.arrow import read_arrow
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.pipelines.data.custom.formats.parts import check_schema, joined
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_log = logging.getLogger(__name__)
_STATE, _SPLITS, _INFO = "state.json", "dataset_dict.json", "dataset_info.json"
_SPLIT = "split"  # the column that is added
_FILES = ("Image", "Audio", "Video")  # features that hold whole files


def is_saved(path: Path) -> bool:
    """Whether a folder is such a data set, or several that are its splits."""
    return (path / _STATE).is_file() or (path / _SPLITS).is_file()


def read(path: Path, form: Form) -> pd.DataFrame:
    """All rows. Of a data set with splits their names are a further column, "split". Classes are read by their names.
    Pictures and recordings, which are inside the data set, are left out.

    Raises:
        ValueError: a file is damaged or lies elsewhere; a class has no name; there is a column "split" already.
        OSError: a file is not there.
    """
    if not (path / _SPLITS).is_file():
        return joined([_read_split(path)])
    tables: list[pa.Table] = []
    first = ""
    for name in _list(path / _SPLITS, "splits"):
        table = _read_split(path / _plain_name(name))
        if _SPLIT in table.column_names:
            raise ValueError(f"it has splits, and a column {_SPLIT!r} of its own; rename that column")
        if tables:
            check_schema(first, tables[0].drop_columns([_SPLIT]), name, table)
        else:
            first = name
        tables.append(table.append_column(_SPLIT, _constant(name, table.num_rows)))
    if not tables:
        raise ValueError(f"{_SPLITS} names no split")
    return joined(tables)


def _read_split(folder: Path) -> pa.Table:
    import pyarrow as pa

    state = _document(folder / _STATE)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise ValueError(
            f"{folder.name} was saved with a selection of its rows beside it; save it with datasets 2 or newer"
        )
    names = [_plain_name(entry.get("filename")) for entry in _entries(state, folder)]
    table = pa.concat_tables([read_arrow(folder / name) for name in names])
    inside = []
    for column, feature in _features(folder).items():
        kind = feature.get("_type") if isinstance(feature, dict) else None
        if column not in table.column_names:
            raise ValueError(f"{_INFO} names the column {column!r}, which is not in the data")
        if kind == "ClassLabel":
            index = table.column_names.index(column)
            table = table.set_column(index, column, _named(column, table[column], feature.get("names")))
        elif kind in _FILES:
            inside.append(column)
    if inside:
        _log.warning(
            "%s: the columns %s hold whole files and are not read; save the files, and name them in a column",
            folder.name, ", ".join(inside), extra=LITERAL,
        )  # fmt: skip
    return table.drop_columns(inside)


def _features(folder: Path) -> dict[str, Any]:
    """Column -> what ``datasets`` calls its feature; none if the folder does not say."""
    features = (_document(folder / _INFO) if (folder / _INFO).is_file() else {}).get("features") or {}
    if not isinstance(features, dict):
        raise ValueError(f"{folder.name}/{_INFO} has features that are a {type(features).__name__}; expected an object")
    return features


def _named(column: str, classes: pa.ChunkedArray, names: Any) -> pa.Array:
    """The names of classes; -1 is a missing one."""
    import pyarrow as pa

    found: list[str | None] = []
    for row, number in enumerate(classes.to_pylist()):
        if number is None or number == -1:
            found.append(None)
        elif isinstance(names, list) and isinstance(number, int) and 0 <= number < len(names):
            found.append(str(names[number]))
        else:
            raise ValueError(f"row {row}, column {column}: the class {number!r} has no name in {_INFO}")
    return pa.array(found, pa.string())


def _constant(name: str, rows: int) -> pa.Array:
    import pyarrow as pa

    return pa.array([name] * rows, pa.string())


def _entries(state: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    entries = state.get("_data_files")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{folder.name}/{_STATE} names no files; expected _data_files")
    return entries


def _list(file: Path, key: str) -> list[Any]:
    found = _document(file).get(key)
    if not isinstance(found, list):
        raise ValueError(f"{file.name} has no list {key!r}")
    return found


def _document(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file.parent.name}/{file.name} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file.parent.name}/{file.name} is no object of JSON")
    return found


def _plain_name(name: Any) -> str:
    """The name of a file or folder inside the folder.

    Raises:
        ValueError: it points elsewhere.
    """
    if not isinstance(name, str) or name != Path(name).name or name in ("", ".", "..") or "\0" in name:
        raise ValueError(f"it names {name!r}; expected the name of a file or folder in it")
    return name
