"""Public source files that are downloaded once."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from mixmas_pipeline.datasets.errors import as_dataset_error
from mixmas_pipeline.storage.downloads import Source, fetch


class DownloadDataset(AbstractDataset[None, Any]):
    """The base of data sets of a public file. Subclasses implement ``_read(path)``.

    Args:
        filepath: of the file's copy on this machine.
        mirror: its path in the folder ``MIXMAS_MIRROR``.
        url: its public address.
        sha256: of its content, see ``mixmas_pipeline.storage.downloads.content_hash``. Default None: any content.
        members: for an archive, the ending of the members that count. Default "": all.
        metadata: for plugins. Default None.

    Raises:
        DatasetError: the file can be found nowhere, or is altered or damaged.
    """

    def __init__(
        self,
        *,
        filepath: str,
        mirror: str,
        url: str,
        sha256: str | None = None,
        members: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.metadata = metadata
        self._filepath = Path(filepath)
        self._source = Source(mirror, url, sha256, members)

    def load(self) -> Any:
        with as_dataset_error():
            return self._read(fetch(self._filepath, self._source))

    @abstractmethod
    def _read(self, path: Path) -> Any:
        """Read the file."""

    def fetched(self) -> Path:
        """The file's copy, for previews: nothing is fetched for them.

        Raises:
            DatasetError: it has not been fetched yet.
        """
        if not self._filepath.exists():
            raise DatasetError(f"{self._filepath} has not been fetched yet; a run does it")
        return self._filepath

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is a source file; it is only read")

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), **asdict(self._source)}

    def fingerprint(self) -> str:
        """The declared hash of the content; without one, size and time of the file."""
        if self._source.sha256:
            return self._source.sha256
        if not self._filepath.exists():
            return "absent"
        status = self._filepath.stat()
        return f"{status.st_size} {status.st_mtime_ns}"
