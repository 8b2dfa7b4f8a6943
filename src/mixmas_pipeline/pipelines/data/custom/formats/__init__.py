"""The formats of a table's file: a module each, with the same function.

``read(path, form)`` makes a frame of all rows, with the columns as they are stored; those of a text file are texts.
Which module reads a file follows from the ending of its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mixmas_pipeline.pipelines.data.custom.formats import (
    arrays,
    arrow,
    duckdb_file,
    parts,
    records,
    sqlite_file,
    text,
    workbook,
)
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.pipelines.data.custom.modalities import DATABASES

if TYPE_CHECKING:
    import pandas as pd

    Reader = Callable[[Path, Form], pd.DataFrame]


def _read_database(path: Path, form: Form) -> pd.DataFrame:
    """The database that the first bytes tell: the ending .db is used for every kind."""
    with path.open("rb") as file:
        start = file.read(16)
    if start[8:12] == duckdb_file.FIRST_BYTES:
        return duckdb_file.read(path, form)
    if start != sqlite_file.FIRST_BYTES:
        raise ValueError("it is no database of SQLite or DuckDB")
    return sqlite_file.read(path, form)


FORMATS: dict[str, Reader] = {
    ".csv": text.read,
    ".tsv": text.read,
    ".xlsx": workbook.read,
    ".xlsm": workbook.read,
    ".parquet": arrow.read,
    ".feather": arrow.read,
    ".arrow": arrow.read,
    ".orc": arrow.read,
    ".json": records.read,
    ".jsonl": records.read,
    ".ndjson": records.read,
    ".npz": arrays.read,
    **dict.fromkeys(DATABASES, _read_database),
}
_PACKED = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")


def reader_of(path: Path) -> Reader:
    """The function that reads a file, or a folder of parts.

    Raises:
        ValueError: the ending of its name is none of the known ones.
    """
    if path.is_dir():
        return _folder_reader(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"] and len(suffixes) > 1 and suffixes[-2] in _PACKED:
        return FORMATS[suffixes[-2]]
    if suffixes[-1:] and suffixes[-1] in FORMATS:
        return FORMATS[suffixes[-1]]
    known = f"{', '.join(FORMATS)} (or .gz after {', '.join(_PACKED)}), or a folder of Parquet files"
    advice = "; save the old format as .xlsx" if suffixes[-1:] == [".xls"] else ""
    raise ValueError(f"found the ending {path.suffix!r}; expected one of {known}{advice}")


def _folder_reader(path: Path) -> Reader:
    files = parts.visible(path)
    if any(any(file.rglob("*.parquet")) if file.is_dir() else file.suffix.lower() == ".parquet" for file in files):
        return parts.read
    names = [file.name for file in files]
    if described := [name for name in names if name in ("metadata.csv", "metadata.jsonl", "metadata.parquet")]:
        raise ValueError(f"it is a folder with {described[0]}; name that file: {path.name}/{described[0]}")
    found = ", ".join(names[:5]) or "nothing"
    raise ValueError(f"it is a folder with {found}; expected files that end in .parquet")
