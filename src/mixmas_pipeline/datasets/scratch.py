"""A folder for unfinished work, such as checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from mixmas_pipeline.datasets.contents import PREVIEW_ROWS, table_preview
from mixmas_pipeline.datasets.errors import as_dataset_error
from mixmas_pipeline.storage.paths import as_path, is_remote


class ScratchFolderDataset(AbstractDataset[None, Path]):
    """A folder for unfinished work. It loads as its path, and is made if it does not exist.

    In an object store it loads as a ``UPath``; what uses it writes and reads with ``mixmas_pipeline.storage``.

    Args:
        filepath: a path, or the URL of an object store.
        metadata: for plugins. Default None.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        with as_dataset_error():
            self._filepath: Any = as_path(filepath)  # Path or UPath

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
        """Constant: no result depends on what lies in the folder."""
        return "scratch"

    def preview(self) -> TablePreview:
        """The first files, by name."""
        files = sorted(path for path in self._filepath.rglob("*") if path.is_file())[:PREVIEW_ROWS]
        rows = [[str(path.relative_to(self._filepath)), path.stat().st_size] for path in files]
        return table_preview(["file", "bytes"], rows)
