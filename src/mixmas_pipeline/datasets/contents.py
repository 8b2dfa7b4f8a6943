"""What kedro-viz shows of a file or folder of the user's own: its first rows, arrays or files."""

from __future__ import annotations

import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

from kedro_datasets._typing import TablePreview

from mixmas_pipeline.datasets.artefacts import PREVIEW_ROWS, frame_preview, table_preview


def contents(path: Path) -> TablePreview:
    """The first rows of a table (.csv, .tsv, .parquet, .feather), arrays by name, shape and type (.npz, .npy,
    .safetensors, .arrow), names and sizes of files (a folder, a .zip). No more is read than is shown."""
    if path.is_dir():
        found = ((str(file.relative_to(path)), file.stat().st_size) for file in path.rglob("*") if file.is_file())
        return _files(found)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return _files((member.filename, member.file_size) for member in archive.infolist() if not member.is_dir())
    if path.suffix in (".npz", ".npy", ".safetensors", ".arrow"):
        rows = [[name, "×".join(map(str, array.shape)), str(array.dtype)] for name, array in _arrays(path).items()]
        return table_preview(["array", "shape", "type"], rows)
    return frame_preview(_head(path))


def _files(found: Any) -> TablePreview:
    return table_preview(["file", "bytes"], [list(one) for one in islice(found, PREVIEW_ROWS)])


def _arrays(path: Path) -> dict[str, Any]:
    import numpy as np

    from mixmas_pipeline.datasets.rows import load_arrays
    from mixmas_pipeline.datasets.table import TableDataset

    if path.suffix == ".npy":
        return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False)}
    return TableDataset(filepath=str(path)).load().arrays if path.suffix == ".arrow" else load_arrays(path)


def _head(path: Path) -> Any:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet

    if path.suffix == ".parquet":
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(PREVIEW_ROWS)
    elif path.suffix == ".feather":
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = (reader.get_batch(i).slice(0, PREVIEW_ROWS) for i in range(reader.num_record_batches))
    else:
        separator = "\t" if ".tsv" in path.suffixes else ","
        return pd.read_csv(path, sep=separator, nrows=PREVIEW_ROWS, dtype=str, keep_default_na=False)
    first = next(iter(batches), None)
    return pd.DataFrame() if first is None else first.to_pandas()
