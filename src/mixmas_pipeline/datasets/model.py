"""A trained model in the catalog."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import Version
from kedro.utils import load_obj
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.implementations import implementations
from mixmas_pipeline.storage.paths import read_bytes

if TYPE_CHECKING:
    from mixmas_pipeline.models.ensemble import Ensemble
    from mixmas_pipeline.models.multimodal import MultimodalMixer

_ARCHITECTURE_FILE = "architecture.json"  # as the model names it, whose module imports torch


class ModelDataset(AtomicDataset):
    """A ``MultimodalMixer`` or an ``Ensemble`` as a folder of safetensors and JSON. It loads in eval mode.

    Args:
        drawing: dotted path of a function from the ``Architecture`` to the bytes of a PNG file.
        filepath, version, metadata: see ``AtomicDataset``.
    """

    def __init__(
        self,
        *,
        filepath: str,
        drawing: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._drawing = drawing
        super().__init__(filepath=filepath, version=version, metadata=metadata)

    def _read(self, path: Path) -> MultimodalMixer | Ensemble:
        from mixmas_pipeline.models.ensemble import load_model

        return load_model(path)

    def _write(self, path: Path, data: MultimodalMixer | Ensemble) -> None:
        data.save_pretrained(path)

    def _document(self) -> Any:
        """The newest version's architecture as JSON; weights are not read."""
        path: Any = self._get_load_path()
        return json.loads(read_bytes(path / _ARCHITECTURE_FILE))

    def blocks(self) -> list[str]:
        """The blocks of the newest version, "module:Class"."""
        return implementations(self._document())

    def preview(self) -> ImagePreview:
        """The architecture as a drawing."""
        architecture = Architecture.model_validate(self._document())
        return ImagePreview(base64.b64encode(load_obj(self._drawing)(architecture)).decode())
