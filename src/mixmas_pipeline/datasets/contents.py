"""What kedro-viz shows of a file or folder: its first rows, arrays, entries or files. No more is read than is shown,
and the parts that Kedro's own previews would show whole (long lists, arrays in cells) are cut."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import HTMLPreview, ImagePreview, JSONPreview, TablePreview

from mixmas_pipeline.datasets.previews import markup, sounds

if TYPE_CHECKING:
    import pandas as pd

PREVIEW_ROWS = 40


def contents(path: Path) -> TablePreview:
    """A file or folder of the user: the first rows of a table (.csv, .tsv, .parquet, .feather, .arrow); name, shape and
    type of arrays (.npz, .npy, .safetensors, an aligned table's .arrow); names and sizes of files (a folder, a .zip);
    of another file its own name and size."""
    if path.is_dir():
        files = ((str(file.relative_to(path)), file.stat().st_size) for file in path.rglob("*") if file.is_file())
        return _files(files)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return _files((member.filename, member.file_size) for member in archive.infolist() if not member.is_dir())
    if path.suffix in (".npz", ".npy", ".safetensors") or _is_aligned(path):
        rows = [[name, "×".join(map(str, array.shape)), str(array.dtype)] for name, array in _arrays(path).items()]
        return table_preview(["array", "shape", "type"], rows)
    if {*path.suffixes[-2:]} & {".csv", ".tsv", ".parquet", ".feather", ".arrow"}:
        return frame_preview(_head(path))
    return _files([(path.name, path.stat().st_size)])


def document(path: Path) -> JSONPreview:
    """A JSON file. Of a list with more than ``PREVIEW_ROWS`` entries only the first are shown."""
    return JSONPreview(json.dumps(shortened(json.loads(path.read_text(encoding="utf-8")))))


def frame(path: Path) -> TablePreview:
    """The first rows of a Parquet file. An array in a cell is shown by its length."""
    return frame_preview(_parquet_head(path))


def clips(path: Path) -> ImagePreview:
    """Spectrograms of some clips of a Parquet file with the columns ``file``, ``sample_rate`` (Hz) and ``waveform``."""
    import pandas as pd

    return sounds(pd.read_parquet(path))


def page(path: Path) -> HTMLPreview:
    """An HTML file without scripts and styles; what they draw is only in the page itself."""
    return markup(path.read_bytes().decode())


def shortened(value: Any) -> Any:
    """A JSON document in which no list has more than ``PREVIEW_ROWS`` entries."""
    if isinstance(value, dict):
        return {key: shortened(entry) for key, entry in value.items()}
    if not isinstance(value, list):
        return value
    more = len(value) - PREVIEW_ROWS
    return [*map(shortened, value[:PREVIEW_ROWS]), *([f"… and {more} more"] if more > 0 else [])]


def table_preview(columns: list[str], rows: list[list[Any]]) -> TablePreview:
    """A table in the form that kedro-viz draws."""
    return TablePreview({"columns": columns, "index": list(range(len(rows))), "data": rows})


def frame_preview(frame: pd.DataFrame) -> TablePreview:
    """A DataFrame's first rows in the form that kedro-viz draws."""
    head = frame.head(PREVIEW_ROWS)
    rows = [[_cell(value) for value in row] for row in head.itertuples(index=False)]
    return table_preview(list(map(str, head.columns)), rows)


def _files(files: Iterable[tuple[str, int]]) -> TablePreview:
    return table_preview(["file", "bytes"], [list(file) for file in islice(files, PREVIEW_ROWS)])


def _arrays(path: Path) -> dict[str, Any]:
    import numpy as np

    from mixmas_pipeline.data.arrow import read_table
    from mixmas_pipeline.data.rows import load_arrays

    if path.suffix == ".npy":
        return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False)}
    return read_table(path).arrays if path.suffix == ".arrow" else load_arrays(path)


def _is_aligned(path: Path) -> bool:
    """Whether an .arrow is an aligned table, as the catalog keeps it."""
    from mixmas_pipeline.data.arrow import METADATA_KEY

    if path.suffix != ".arrow":
        return False
    with _arrow_reader(path) as reader:
        return METADATA_KEY in (reader.schema.metadata or {})


def _arrow_reader(path: Path) -> Any:
    """A reader of Arrow's file or stream."""
    import pyarrow as pa

    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)


def _head(path: Path) -> pd.DataFrame:
    import pandas as pd

    if path.suffix == ".parquet":
        return _parquet_head(path)
    if path.suffix in (".feather", ".arrow"):
        with _arrow_reader(path) as reader:
            if hasattr(reader, "num_record_batches"):
                batch = reader.get_batch(0) if reader.num_record_batches else None
            else:
                batch = next(iter(reader), None)
            return pd.DataFrame() if batch is None else batch.slice(0, PREVIEW_ROWS).to_pandas()
    separator = "\t" if ".tsv" in path.suffixes else ","
    settings: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding_errors": "replace"}
    return pd.read_csv(path, sep=separator, nrows=PREVIEW_ROWS, **settings)


def _parquet_head(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        head = next(file.iter_batches(PREVIEW_ROWS), None)
        return (head or file.schema_arrow.empty_table()).to_pandas()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if hasattr(value, "__len__") and not isinstance(value, str | bytes | dict):
        return f"{len(value)} values"
    return value.item() if hasattr(value, "item") else value
