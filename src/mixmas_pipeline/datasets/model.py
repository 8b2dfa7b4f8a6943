"""A trained model in the catalog."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from kedro.io import Version
from kedro.utils import load_obj
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.atomic import AtomicDataset


class ModelDataset(AtomicDataset):
    """A model as a folder of safetensors and JSON. It loads as a ready ``nn.Module`` in eval mode.

    Args:
        model_class: dotted path of the class; it has ``save_pretrained(folder)``, ``from_pretrained(folder)`` and
            ``draw_pretrained(folder)``: a drawing of what is saved there, the bytes of a PNG file.
        filepath, version, metadata: see ``AtomicDataset``.
    """

    def __init__(
        self,
        *,
        filepath: str,
        model_class: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._model_class = model_class
        super().__init__(filepath=filepath, version=version, metadata=metadata)

    def _read(self, path: Path) -> Any:
        return load_obj(self._model_class).from_pretrained(path)

    def _write(self, path: Path, data: Any) -> None:
        data.save_pretrained(path)

    def preview(self) -> ImagePreview:
        """The architecture as a drawing; no weights are read."""
        drawing = load_obj(self._model_class).draw_pretrained(self._local_copy())
        return ImagePreview(base64.b64encode(drawing).decode())
