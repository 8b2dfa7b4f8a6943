"""Small artefacts: JSON, data frames, figures, pictures, pages, arrays. Each previews itself in kedro-viz."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import HTMLPreview, ImagePreview, JSONPreview, PlotlyPreview, TablePreview

from mixmas_pipeline.datasets.base import AtomicDataset
from mixmas_pipeline.datasets.places import local
from mixmas_pipeline.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

PREVIEW_ROWS = 40


class JSONDataset(AtomicDataset):
    """Anything that JSON can hold. NaN and infinity are refused when saving: they are not JSON."""

    def _read(self, path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))

    def _write(self, path: Path, data: Any) -> None:
        path.write_text(json.dumps(data, indent=1, allow_nan=False), encoding="utf-8")

    def preview(self) -> JSONPreview:
        """The whole document."""
        return JSONPreview(json.dumps(self.load()))


class FrameDataset(AtomicDataset):
    """A pandas DataFrame as Parquet."""

    def _read(self, path: Path) -> pd.DataFrame:
        return pd.read_parquet(path)

    def _write(self, path: Path, data: pd.DataFrame) -> None:
        data.to_parquet(path, index=False)

    def preview(self) -> TablePreview:
        """The first rows; arrays are shown by their length."""
        return frame_preview(self.load())


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
        """The page."""
        return HTMLPreview(self.load())


class ArraysDataset(AtomicDataset):
    """A dictionary of numpy arrays as one safetensors file."""

    def _read(self, path: Path) -> dict[str, Any]:
        from safetensors.numpy import load_file

        return load_file(path)

    def _write(self, path: Path, data: dict[str, Any]) -> None:
        from safetensors.numpy import save_file

        save_file(data, path)


def frame_preview(frame: pd.DataFrame) -> TablePreview:
    """A DataFrame's head in the form that kedro-viz draws."""
    head = frame.head(PREVIEW_ROWS)
    rows = [[_cell(value) for value in row] for row in head.itertuples(index=False)]
    return TablePreview({"columns": list(map(str, head.columns)), "index": list(range(len(head))), "data": rows})


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if hasattr(value, "__len__") and not isinstance(value, str | bytes | dict):
        return f"{len(value)} values"
    return value.item() if hasattr(value, "item") else value
