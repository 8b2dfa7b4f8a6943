"""MIMIC-III as it is distributed: a folder of CSV tables, read in place; and MultiBench's preprocessed ``im.pk``.

Johnson et al. 2016, "MIMIC-III, a freely accessible critical care database" (https://physionet.org/content/mimiciii/).
"""

from __future__ import annotations

import gzip
import os
import pickle
import pickletools
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview

from mixmas_pipeline.datasets.contents import table_preview
from mixmas_pipeline.datasets.user_files import UserFilesDataset
from mixmas_pipeline.storage.downloads import MIRROR_VARIABLE
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# Table -> column that is read -> its type. Names of files and columns may be in capitals or small letters.
TABLES: dict[str, dict[str, str]] = {
    "admissions": {
        "subject_id": "INTEGER",
        "hadm_id": "INTEGER",
        "admittime": "TIMESTAMP",
        "deathtime": "TIMESTAMP",
        "admission_type": "VARCHAR",
    },
    "patients": {"subject_id": "INTEGER", "dob": "TIMESTAMP", "dod": "TIMESTAMP"},
    "icustays": {
        "subject_id": "INTEGER",
        "hadm_id": "INTEGER",
        "icustay_id": "INTEGER",
        "intime": "TIMESTAMP",
        "outtime": "TIMESTAMP",
    },
    "diagnoses_icd": {"hadm_id": "INTEGER", "icd9_code": "VARCHAR"},
    "services": {"hadm_id": "INTEGER", "transfertime": "TIMESTAMP", "curr_service": "VARCHAR"},
    "chartevents": {
        "subject_id": "INTEGER",
        "itemid": "INTEGER",
        "charttime": "TIMESTAMP",
        "valuenum": "DOUBLE",
        "valueuom": "VARCHAR",
        "error": "DOUBLE",
    },
    "labevents": {
        "subject_id": "INTEGER",
        "itemid": "INTEGER",
        "charttime": "TIMESTAMP",
        "value": "VARCHAR",
        "valuenum": "DOUBLE",
        "valueuom": "VARCHAR",
    },
    "outputevents": {
        "subject_id": "INTEGER",
        "itemid": "INTEGER",
        "charttime": "TIMESTAMP",
        "value": "DOUBLE",
        "valueuom": "VARCHAR",
        "iserror": "DOUBLE",
    },
}
_ENDINGS = (".csv", ".csv.gz")
_HOW_TO_GET = (
    "Either request the credentialed database MIMIC-III v1.4 (https://physionet.org/content/mimiciii/1.4/: an account, "
    "training in human research, a signed agreement) and put its tables ({tables}; .csv or .csv.gz) into {folder}, or "
    "name another folder as the filepath of this data set in the configuration. Or try the open demo of 100 patients "
    "(https://physionet.org/content/mimiciii-demo/1.4/), which needs no account: put it into "
    "data/01_raw/mimic-iii-demo, or into mimic-iii-demo inside the folder that the environment variable "
    + MIRROR_VARIABLE
    + " names"
)


@dataclass(frozen=True)
class TableFile:
    """One table's file.

    Attributes:
        path: of the file.
        columns: all names of the header, in small letters and in the file's order.
        types: column that is read -> its DuckDB type.
    """

    path: Path
    columns: tuple[str, ...]
    types: dict[str, str]

    def scan(self) -> str:
        """A DuckDB table function over the file. DuckDB guesses nothing from a sample of its rows."""
        columns = ", ".join(f"{_quoted(name)}: '{self.types.get(name, 'VARCHAR')}'" for name in self.columns)
        return (
            f"read_csv({_quoted(str(self.path))}, columns={{{columns}}}, header=true, delim=',', quote='\"', "
            "escape='\"', nullstr='', auto_detect=false)"
        )

    def verify(self, stop: threading.Event | None = None) -> None:
        """Read a .gz file to its end and compare its checksums: DuckDB does not, and a damaged file may still parse.

        Args:
            stop: end early when it is set.

        Raises:
            DatasetError: the file is truncated or damaged.
        """
        if not self.path.name.lower().endswith(".gz"):
            return
        try:
            with gzip.open(self.path, "rb") as stream:
                while stream.read(1 << 20) and not (stop and stop.is_set()):
                    pass
        except (EOFError, OSError, zlib.error) as error:
            raise DatasetError(f"{self.path}: {_DAMAGED} ({error})") from error

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turn DuckDB's errors into messages with file, line and reason, but without the patient's row.

        Raises:
            DatasetError: DuckDB has raised an error.
        """
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            text = str(error)
            line = re.search(r"CSV Error on Line: (\d+)", text)
            location = f"{self.path}, line {line[1]}" if line else str(self.path)
            if match := re.search(r'converting column "(\w+)"\. Could not convert string "(.*)" to \'(\w+)\'', text):
                reason = f"column {match[1]} holds {match[2]!r}; expected {_MEANING.get(match[3], match[3])}"
            elif match := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
                reason = f"{match[2]} columns; expected {match[1]} (is the table cut in the middle?)"
            elif "utf-8" in text.lower() or "unicode" in text.lower():
                reason = "a character is not UTF-8; convert the file, for example with iconv -f latin1 -t utf-8"
            elif "GZIP" in text.upper():
                reason = f"{_DAMAGED} ({text.splitlines()[0]})"
            else:
                reason = text.splitlines()[0]
            raise DatasetError(f"{location}: {reason}") from None  # DuckDB's message has the row


_DAMAGED = "the gzip file is truncated or damaged; copy it again"
_MEANING = {
    "TIMESTAMP": "a date and time as 2150-01-31 23:59:00",
    "INTEGER": "a whole number",
    "DOUBLE": "a number",
}


@dataclass(frozen=True)
class MimicTables:
    """The tables of one folder, by name in small letters. Only their headers have been read."""

    files: dict[str, TableFile]

    def read(self, table: str) -> pd.DataFrame:
        """The needed columns of a small table, typed.

        Raises:
            DatasetError: the file is cut or damaged, or a value is not of its column's type; it names file and line.
        """
        import duckdb

        file = self.files[table]
        file.verify()
        connection = duckdb.connect()
        try:
            with file.errors_named():
                return connection.execute(f"SELECT {', '.join(file.types)} FROM {file.scan()}").df()
        finally:
            connection.close()


class MimicTablesDataset(UserFilesDataset):
    """A folder of MIMIC-III's CSV tables, read where they are: CHARTEVENTS alone has 33 GB.

    Args:
        filepath: the folder.
        mirror: its path below ``MIXMAS_MIRROR``, where it is looked for when ``filepath`` is not there.

    Raises:
        DatasetError: there is no such folder, or its path has a wildcard; a needed table or column is missing or occurs
            twice; a table is empty or cut in the middle of its last line.
    """

    def load(self) -> MimicTables:
        folder = self.locate()
        if folder is None:
            tables = ", ".join(map(str.upper, TABLES))
            raise DatasetError(
                f"There are no MIMIC-III tables: neither {self.locations()} is a folder. "
                + _HOW_TO_GET.format(tables=tables, folder=self._filepath)
            )
        if not folder.is_dir():
            raise DatasetError(f"{folder} is a file; expected the folder of MIMIC-III's tables")
        if special := sorted(set("*?[") & set(str(folder))):
            raise DatasetError(
                f"the path {folder} has {' '.join(special)} in it, which DuckDB takes as a wildcard; "
                "rename the folder, or give a link to it as the filepath"
            )
        files_of = _table_files(folder)
        if missing := [f"{table.upper()}.csv[.gz]" for table in TABLES if table not in files_of]:
            raise DatasetError(
                f"{folder} has no {', '.join(missing)}; expected {', '.join(map(str.upper, TABLES))} as .csv or "
                f".csv.gz (found: {', '.join(sorted(p.name for ps in files_of.values() for p in ps)) or 'no table'})"
            )
        files = {}
        for table, types in TABLES.items():
            if len(files_of[table]) > 1:
                raise DatasetError(f"{folder} has {' and '.join(p.name for p in files_of[table])}; expected only one")
            files[table] = TableFile(files_of[table][0], _header(files_of[table][0], types), types)
        return MimicTables(files)

    def fingerprint(self) -> str:
        """Names, sizes and times of the needed files, whose content is too large to be hashed."""
        folder = self.locate()
        if folder is None or not folder.is_dir():
            return "absent"
        files = sorted(path for table, paths in _table_files(folder).items() if table in TABLES for path in paths)
        return " ".join(f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files)

    def preview(self) -> TablePreview:
        """The tables: file, size and columns. No row of a patient is shown."""
        files = self.load().files
        rows = [
            [name, file.path.name, f"{file.path.stat().st_size / 1e6:.1f} MB", ", ".join(file.columns)]
            for name, file in files.items()
        ]
        return table_preview(["table", "file", "size", "columns"], rows)


# Arrays of im.pk; the last two may have more columns.
_PICKLED: dict[str, tuple[int, ...]] = {
    "ep_tdata": (24, 12),
    "adm_features_all": (5,),
    "adm_labels_all": (6,),
    "y_icd9": (8,),
}
_AT_LEAST = ("adm_labels_all", "y_icd9")


class ImPickleDataset(UserFilesDataset):
    """MultiBench's preprocessed ``im.pk`` (Liang et al. 2021): a pickle, from which only numpy arrays are read.

    Loads as ep_tdata (n, 24, 12), adm_features_all (n, 5), adm_labels_all (n, 6 or more) and y_icd9 (n, 8 or more).
    A pickle is a program. Here a recorder in plain Python replaces every name that it may call, and the arrays are made
    afterwards from the recorded bytes. So the file cannot choose what is run.

    Args:
        filepath: the file.
        mirror: its path below ``MIXMAS_MIRROR``, where it is looked for when ``filepath`` is not there.

    Raises:
        DatasetError: there is no file; it is cut, or holds anything but numpy arrays; an array is missing or has
            another shape.
    """

    def load(self) -> dict[str, np.ndarray]:
        path = self.locate()
        if path is None:
            raise DatasetError(
                f"There is no preprocessed MIMIC-III: neither {self.locations()} is a file. "
                "im.pk is given by MultiBench's authors (https://github.com/pliang279/MultiBench) to those who have "
                "access to MIMIC-III on PhysioNet. To start from the tables instead, set the parameter mimic.input "
                "to tables"
            )
        content = read_arrays(path)
        for name, shape in _PICKLED.items():
            if not isinstance(array := content.get(name), np.ndarray):
                names = ", ".join(sorted(map(str, content)))
                raise DatasetError(f"{path} holds no array {name!r}; expected {list(_PICKLED)} (found: {names})")
            wanted = (content["ep_tdata"].shape[:1] or (0,)) + shape
            more = name in _AT_LEAST and array.ndim == 2 and len(array) == wanted[0] and array.shape[1] > wanted[1]
            if array.size == 0 or (array.shape != wanted and not more):
                least = " (or more columns)" if name in _AT_LEAST else ""
                raise DatasetError(f"{path}: {name} has the shape {array.shape}; expected {wanted}{least}")
        return {name: content[name] for name in _PICKLED}

    def fingerprint(self) -> str:
        """Size and time of the file."""
        path = self.locate()
        return "absent" if path is None else f"{path.stat().st_size} {path.stat().st_mtime_ns}"

    def preview(self) -> TablePreview:
        """The arrays: names, shapes and types. No patient's values are shown."""
        rows = [[name, "×".join(map(str, array.shape)), str(array.dtype)] for name, array in self.load().items()]
        return table_preview(["array", "shape", "type"], rows)


def read_arrays(path: Path) -> dict[str, Any]:
    """The numeric numpy arrays of a pickled dictionary, and its other plain values.

    Raises:
        DatasetError: the file is not a whole pickle of a dictionary, or holds anything but numeric arrays.
    """
    try:
        with path.open("rb") as stream:
            _scan(stream)
            stream.seek(0)
            content = _ArrayUnpickler(stream, encoding="latin1").load()
        if not isinstance(content, dict):
            raise DatasetError(f"{path} holds a {type(content).__name__}; expected a dictionary of numpy arrays")
        return {
            name: value.array() if isinstance(value, _RecordedArray) else value
            for name, value in content.items()
            if isinstance(name, str)
        }
    except DatasetError:
        raise
    except pickle.UnpicklingError as error:
        raise DatasetError(f"{path} is refused: {error}") from None
    except Exception as error:  # a damaged pickle fails in any way, with the file's content in the message
        raise DatasetError(f"{path} is not a whole pickle of numpy arrays ({type(error).__name__})") from None


# Far more than arrays need. The time to hash nested tuples doubles with each tuple that is used twice.
_MOST_MEMOS, _MOST_TUPLES, _MOST_TUPLE_READS = 10**6, 10**4, 30
_REFUSED_CODES = ("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "DUP", "FROZENSET", "EMPTY_SET", "ADDITEMS")


def _scan(stream: BinaryIO) -> None:
    """Read a pickle's instructions without following them.

    Raises:
        pickle.UnpicklingError: one of them is not needed for arrays, or could take unlimited memory or time.
    """
    tuples, tuple_reads, previous = 0, 0, ""
    made_by: dict[int, str] = {}
    for code, argument, _ in pickletools.genops(stream):
        name = code.name
        if name in _REFUSED_CODES:
            raise pickle.UnpicklingError(f"it has the instruction {name}; expected numpy arrays and nothing else")
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            index = len(made_by) if name == "MEMOIZE" else _memo_index(argument)
            if index > _MOST_MEMOS:
                raise pickle.UnpicklingError(f"it numbers its objects beyond {_MOST_MEMOS:,}")
            made_by[index] = previous
            continue
        tuples += "TUPLE" in name
        if name in ("GET", "BINGET", "LONG_BINGET"):
            name = made_by.get(_memo_index(argument), "")
            tuple_reads += "TUPLE" in name
        if tuples > _MOST_TUPLES or tuple_reads > _MOST_TUPLE_READS:
            raise pickle.UnpicklingError("it is made of tuples within tuples; expected numpy arrays and nothing else")
        previous = name


def _memo_index(argument: object) -> int:
    """The index of the memo that an instruction names."""
    assert isinstance(argument, int), argument  # as pickletools reads it
    return argument


class _Recorder:
    """Stands for a function of numpy. A pickle may call it, but not change it."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function; expected numpy arrays and nothing else")


class _RecordedType:
    """Stands for a ``numpy.dtype``; keeps its name and byte order."""

    __slots__ = ("name", "order")

    def __init__(self, name: Any, *_: Any) -> None:
        if type(name) is not str or len(name) >= 8:
            raise pickle.UnpicklingError("it holds an array of a type without a short name; expected numbers")
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if type(state) is not tuple or type(state[1]) is not str:
            raise pickle.UnpicklingError("it holds an array of an unknown type; expected numbers")
        self.order = state[1]

    def dtype(self) -> np.dtype:
        if not re.fullmatch(r"[fiub]\d{1,2}", self.name) or self.order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"it holds an array of the type {self.name!r}; expected numbers")
        return np.dtype(f"{self.order}{self.name}")


class _RecordedArray:
    """Stands for a numpy array; keeps the pickled shape, type and bytes."""

    __slots__ = ("_content", "_fortran", "_shape", "_type")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self._shape, self._type, self._fortran, self._content = state

    def array(self) -> np.ndarray:
        content = self._content.encode("latin1") if isinstance(self._content, str) else self._content
        if not isinstance(content, bytes | bytearray) or not isinstance(self._type, _RecordedType):
            raise pickle.UnpicklingError("it holds an array of objects; expected numbers")
        flat = np.frombuffer(bytes(content), dtype=self._type.dtype())
        return flat.reshape(self._shape, order="F" if self._fortran else "C")


def _record_array(*_: Any) -> _RecordedArray:
    return _RecordedArray()


def _record_buffer(content: Any, kind: Any, shape: Any, order: str) -> _RecordedArray:
    recorded = _RecordedArray()
    recorded.__setstate__((1, shape, kind, order == "F", content))
    return recorded


def _record_bytes(text: str, encoding: str) -> bytes:
    if type(text) is not str or type(encoding) is not str or encoding != "latin1":
        raise pickle.UnpicklingError("it encodes text in another encoding than latin1")
    return text.encode("latin1")


_RECORDERS: dict[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Recorder(_record_array) for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Recorder(_record_buffer) for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Recorder(lambda *_: None) for core in ("core", "_core")},
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Recorder(_RecordedType),
    ("_codecs", "encode"): _Recorder(_record_bytes),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Returns a recorder for each name that numpy uses to pickle arrays, and refuses all other names."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _RECORDERS:
            raise pickle.UnpicklingError(
                f"it asks for {f'{module}.{name}'[:80]!a}, which was not run; expected numpy arrays and nothing else"
            )
        return _RECORDERS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside itself; expected numpy arrays and nothing else")


def _table_files(folder: Path) -> dict[str, list[Path]]:
    """Table name in small letters -> its files."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        for ending in _ENDINGS:
            if path.name.lower().endswith(ending) and path.is_file():
                files.setdefault(path.name[: -len(ending)].lower(), []).append(path)
    return files


def _header(path: Path, needed: dict[str, str]) -> tuple[str, ...]:
    """The file's column names, in small letters."""
    zipped = path.name.lower().endswith(".gz")
    try:
        with (gzip.open if zipped else open)(path, "rb") as stream:
            line = stream.readline(1 << 16)
            if not zipped:
                stream.seek(-1, os.SEEK_END)
                ends_with_newline = stream.read(1) == b"\n"
    except (EOFError, OSError, zlib.error) as error:
        raise DatasetError(f"{path} is empty, or not a whole gzip file: {error}") from error
    columns = tuple(name.strip().strip('"').lower() for name in line.decode("utf-8-sig", "replace").split(","))
    if missing := [name for name in needed if name not in columns]:
        raise DatasetError(
            f"{path} has no column {', '.join(missing)}; expected {', '.join(needed)} (found: {', '.join(columns)})"
        )
    if len(set(columns)) != len(columns):
        raise DatasetError(f"{path} names a column twice: {', '.join(columns)}")
    if not zipped and not ends_with_newline:
        raise DatasetError(
            f"{path} does not end with a line break: it is cut in the middle of its last line; copy it again (or, if "
            "its last line is whole, add the line break)"
        )
    return columns


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
