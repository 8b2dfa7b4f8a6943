"""Small artefacts: JSON, data frames, figures, pictures, pages, arrays. Each previews itself in kedro-viz, of which
``datasets/previews.py`` draws what is not a picture yet."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import Version
from kedro.utils import load_obj
from kedro_datasets._typing import HTMLPreview, ImagePreview, JSONPreview, PlotlyPreview, TablePreview

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.storage.paths import local
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq
else:
    pd = lazy("pandas")
    pq = lazy("pyarrow.parquet")

PREVIEW_ROWS = 40


class _JSONFile(AtomicDataset):
    def _read(self, path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))

    def _write(self, path: Path, data: Any) -> None:
        path.write_text(json.dumps(data, indent=1, allow_nan=False), encoding="utf-8")


class JSONDataset(_JSONFile):
    """Anything that JSON can hold. NaN and infinity are refused when saving: they are not JSON."""

    def preview(self) -> JSONPreview:
        """The document; of longer lists the beginning."""
        return JSONPreview(json.dumps(_shortened(self.load())))


class DrawnDataset(_JSONFile):
    """What a ``JSONDataset`` holds, shown as a drawing.

    Args:
        drawing: dotted path of a function from the document to the bytes of a PNG file.
    """

    def __init__(
        self, *, filepath: str, drawing: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._drawing = drawing
        super().__init__(filepath=filepath, version=version, metadata=metadata)

    def preview(self) -> ImagePreview:
        """The drawing."""
        return ImagePreview(base64.b64encode(load_obj(self._drawing)(self.load())).decode())


class _ParquetFile(AtomicDataset):
    def _read(self, path: Path) -> pd.DataFrame:
        return pd.read_parquet(path)

    def _write(self, path: Path, data: pd.DataFrame) -> None:
        data.to_parquet(path, index=False)


class FrameDataset(_ParquetFile):
    """A pandas DataFrame as Parquet."""

    def preview(self) -> TablePreview:
        """The first rows, which alone are read; arrays are shown by their length."""
        path: Any = self._get_load_path()
        with pq.ParquetFile(local(path)) as file:
            head = next(file.iter_batches(PREVIEW_ROWS), None)
            return frame_preview((head or file.schema_arrow.empty_table()).to_pandas())


class ClipsDataset(_ParquetFile):
    """A DataFrame of sound clips as Parquet, with the columns ``file``, ``sample_rate`` (Hz) and ``waveform``."""

    def preview(self) -> ImagePreview:
        """Spectrograms of some of them."""
        from mixmas_pipeline.datasets.previews import sounds

        return sounds(self.load())


class PlotlyDataset(AtomicDataset):
    """A plotly figure as JSON."""

    def _read(self, path: Path) -> Any:
        import plotly.io

        return plotly.io.from_json(path.read_text(encoding="utf-8"))

    def _write(self, path: Path, data: Any) -> None:
        path.write_text(data.to_json(), encoding="utf-8")

    def preview(self) -> PlotlyPreview:
        """The figure itself."""
        path: Any = self._get_load_path()
        return PlotlyPreview(json.loads(local(path).read_text(encoding="utf-8")))


class PNGDataset(AtomicDataset):
    """A picture, held as the bytes of a PNG file."""

    def _read(self, path: Path) -> bytes:
        return path.read_bytes()

    def _write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def preview(self) -> ImagePreview:
        """The picture."""
        return ImagePreview(base64.b64encode(self.load()).decode())


class HTMLDataset(AtomicDataset):
    """A self-contained page, held as text."""

    def _read(self, path: Path) -> str:
        return path.read_bytes().decode()

    def _write(self, path: Path, data: str) -> None:
        path.write_bytes(data.encode())

    def preview(self) -> HTMLPreview:
        """The page without scripts and styles: what they draw is only in the page itself."""
        from mixmas_pipeline.datasets.previews import markup

        return markup(self.load())


class ArraysDataset(AtomicDataset):
    """A dictionary of numpy arrays as one safetensors file."""

    def _read(self, path: Path) -> dict[str, Any]:
        from safetensors.numpy import load_file

        return load_file(path)

    def _write(self, path: Path, data: dict[str, Any]) -> None:
        from safetensors.numpy import save_file

        save_file(data, path)

    def preview(self) -> ImagePreview:
        """The arrays as pictures, of which only the shown parts are read."""
        from safetensors import safe_open

        from mixmas_pipeline.datasets.previews import arrays

        path: Any = self._get_load_path()
        with safe_open(local(path), framework="numpy") as file:
            return arrays((name, file.get_tensor(name)) for name in sorted(file.keys()))


def table_preview(columns: list[str], rows: list[list[Any]]) -> TablePreview:
    """A table in the form that kedro-viz draws."""
    return TablePreview({"columns": columns, "index": list(range(len(rows))), "data": rows})


def frame_preview(frame: pd.DataFrame) -> TablePreview:
    """A DataFrame's head in the form that kedro-viz draws."""
    head = frame.head(PREVIEW_ROWS)
    rows = [[_cell(value) for value in row] for row in head.itertuples(index=False)]
    return table_preview(list(map(str, head.columns)), rows)


def _shortened(value: Any) -> Any:
    """A document in which no list has more than ``PREVIEW_ROWS`` entries."""
    if isinstance(value, dict):
        return {key: _shortened(entry) for key, entry in value.items()}
    if not isinstance(value, list):
        return value
    more = len(value) - PREVIEW_ROWS
    return [*map(_shortened, value[:PREVIEW_ROWS]), *([f"… and {more} more"] if more > 0 else [])]


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if hasattr(value, "__len__") and not isinstance(value, str | bytes | dict):
        return f"{len(value)} values"
    return value.item() if hasattr(value, "item") else value
