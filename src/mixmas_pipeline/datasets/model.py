"""Models and the scratch folder that training keeps its checkpoints in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError, Version
from kedro.utils import load_obj

from mixmas_pipeline.datasets.base import AtomicDataset
from mixmas_pipeline.datasets.places import is_remote, place


class ModelDataset(AtomicDataset):
    """A model as a folder: safetensors and JSON. It loads as a ready ``nn.Module`` in eval mode.

    Args:
        model_class: dotted path of the class; it has ``save_pretrained(folder)`` and ``from_pretrained(folder)``.
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
