"""Models and the scratch folder that training keeps its checkpoints in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError, Version
from kedro.utils import load_obj

from mixmas_pipeline.datasets.base import AtomicDataset


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
    """A folder for unfinished work, such as checkpoints. It loads as its path, and is made when it is not there."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath = Path(filepath)

    def load(self) -> Path:
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is a scratch folder; it is not saved as a whole")

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def fingerprint(self) -> str:
        """What lies in it never changes a result."""
        return "scratch"
