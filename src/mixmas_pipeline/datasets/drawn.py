"""A JSON document that kedro-viz shows as a drawing."""

from __future__ import annotations

import base64
from typing import Any

from kedro.io import Version
from kedro.utils import load_obj
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.atomic_file import AtomicFile


class DrawnDataset(AtomicFile):
    """An ``AtomicFile`` whose preview is drawn from what it loads.

    Args:
        drawing: dotted path of a function from the document to the bytes of a PNG file.
        filepath, dataset, version, metadata: see ``AtomicFile``.
    """

    def __init__(
        self,
        *,
        filepath: str,
        dataset: dict[str, Any],
        drawing: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._drawing = drawing
        super().__init__(filepath=filepath, dataset=dataset, version=version, metadata=metadata)

    def preview(self) -> ImagePreview:  # type: ignore[override]
        """The drawing."""
        return ImagePreview(base64.b64encode(load_obj(self._drawing)(self.load())).decode())
