"""Source files that the user has to provide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from mixmas_pipeline.storage.downloads import MIRROR_VARIABLE, mirrored


class UserFilesDataset(AbstractDataset[None, Any]):
    """The base of data sets of a file or folder that cannot be downloaded for the user. It is read in place, and never
    written. Subclasses implement ``load``.

    Args:
        filepath: of the file or folder.
        mirror: its path in the folder ``MIXMAS_MIRROR``, which is looked up if ``filepath`` does not exist.
        metadata: for plugins. Default None.
    """

    def __init__(self, *, filepath: str, mirror: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath, self._mirror = Path(filepath), mirror

    def locate(self) -> Path | None:
        """The file or folder; None if it exists neither at ``filepath`` nor in the mirror."""
        if self._filepath.exists():
            return self._filepath
        copy = mirrored(self._mirror)
        return copy if copy and copy.exists() else None

    def locations(self) -> str:
        """Both locations, for messages: "this nor that"."""
        return f"{self._filepath} nor {mirrored(self._mirror) or f'{self._mirror} in {MIRROR_VARIABLE} (not set)'}"

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is a source; it is only read")

    def _exists(self) -> bool:
        return self.locate() is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "mirror": self._mirror}
