"""A picture in the catalog."""

from __future__ import annotations

import base64
from pathlib import Path

from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.atomic import AtomicDataset


class PNGDataset(AtomicDataset):
    """A picture, held as the bytes of a PNG file, as the report embeds it. (Kedro's ``MatplotlibDataset`` cannot load,
    and its pillow data set would encode the picture anew.)
    """

    def _read(self, path: Path) -> bytes:
        return path.read_bytes()

    def _write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def preview(self) -> ImagePreview:
        """The picture."""
        return ImagePreview(base64.b64encode(self.load()).decode())
