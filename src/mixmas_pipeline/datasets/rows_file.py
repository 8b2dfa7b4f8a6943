"""The file of rows to be predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import DatasetError

from mixmas_pipeline.datasets.named_file import NamedFileDataset


class RowsFileDataset(NamedFileDataset):
    """A file of rows to be predicted; see ``mixmas_pipeline.data.rows.read_rows`` for its formats.

    Args:
        filepath: see ``NamedFileDataset``; None if the parameter names no file.
        key, metadata: see ``NamedFileDataset``.
    """

    def __init__(self, *, filepath: str | None, key: str, metadata: dict[str, Any] | None = None) -> None:
        self._named = filepath is not None
        super().__init__(filepath=filepath or "", key=key, metadata=metadata)

    def load(self) -> Path:
        if not self._named:
            raise DatasetError(f"no file of rows is named; name one with --params={self._key}=PATH")
        return super().load()

    def _exists(self) -> bool:
        return self._named and super()._exists()
