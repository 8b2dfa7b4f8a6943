"""Models and the scratch folder that training keeps its checkpoints in."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError, Version
from kedro.utils import load_obj
from kedro_datasets._typing import ImagePreview, TablePreview

from mixmas_pipeline.datasets.artefacts import PREVIEW_ROWS, table_preview
from mixmas_pipeline.datasets.base import AtomicDataset
from mixmas_pipeline.datasets.places import is_remote, local, place


class ModelDataset(AtomicDataset):
    """A model as a folder: safetensors and JSON. It loads as a ready ``nn.Module`` in eval mode.

    Args:
        model_class: dotted path of the class; it has ``save_pretrained(folder)``, ``from_pretrained(folder)`` and
            ``draw_pretrained(folder)``: a drawing of what is saved there, the bytes of a PNG file.
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
        path: Any = self._get_load_path()
        return ImagePreview(base64.b64encode(load_obj(self._model_class).draw_pretrained(local(path))).decode())


class ScratchFolderDataset(AbstractDataset[None, Path]):
    """A folder for unfinished work, such as checkpoints. It loads as its path, and is made when it is not there.

    In an object store it loads as a ``UPath``; what uses it writes and reads with ``mixmas_pipeline.datasets.places``.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath: Any = place(filepath)  # Path or UPath

    def load(self) -> Path:
        if not is_remote(self._filepath):  # stores know no empty folders
            self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is a scratch folder; it is not saved as a whole")

    def _exists(self) -> bool:
        return is_remote(self._filepath) or self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def fingerprint(self) -> str:
        """What lies in it never changes a result."""
        return "scratch"

    def preview(self) -> TablePreview:
        """The files that lie in it, by name; some if they are many."""
        files = sorted(path for path in self._filepath.rglob("*") if path.is_file())[:PREVIEW_ROWS]
        rows = [[str(path.relative_to(self._filepath)), path.stat().st_size] for path in files]
        return table_preview(["file", "bytes"], rows)
