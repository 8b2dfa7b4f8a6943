"""The base of our data sets: versioned, and written so that a kill never leaves a version that looks whole."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from kedro.io import AbstractVersionedDataset, DatasetError, Version

from mixmas_pipeline.storage.paths import is_whole, local, place, remove, versions, write_whole


class AtomicDataset(AbstractVersionedDataset[Any, Any]):
    """A file (or folder) that appears under its name only once it is complete, on this machine or in an object store.

    Kedro's own versioned data sets write in place: a save that is killed leaves a truncated newest version
    which ``exists()`` trusts. Here subclasses write to a temporary name, see ``places.write_whole``.

    Subclasses implement ``_read(path)`` and ``_write(path, data)``; both get paths of this machine.

    Args:
        filepath: a path, or the URL of an object store (``s3://bucket/...``).
    """

    _filepath: Any  # Path or UPath; Kedro says PurePosixPath

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.metadata = metadata
        where: Any = place(filepath)
        super().__init__(where, version, exists_function=_is_whole)

    def load(self) -> Any:
        path: Any = self._get_load_path()
        try:
            found = local(path)
        except FileNotFoundError as error:
            raise DatasetError(f"{path} does not exist; run the pipeline that produces it first") from error
        try:
            return self._read(found)
        except DatasetError:
            raise
        except Exception as error:
            raise DatasetError(f"{path} cannot be read ({type(error).__name__}): {error}") from error

    def save(self, data: Any) -> None:
        path: Any = self._get_save_path()
        write_whole(path, lambda partial: self._write(partial, data))

    def discard(self) -> None:
        """Remove the version that this run would save: a killed attempt has left it, and the next one writes anew."""
        if self._version is not None:
            path: Any = self._get_versioned_path(self.resolve_save_version() or "")
            remove(path)
            self.release()

    @abstractmethod
    def _read(self, path: Path) -> Any:
        """What the file or folder holds."""

    @abstractmethod
    def _write(self, path: Path, data: Any) -> None:
        """Write to a path that does not exist yet."""

    def _exists(self) -> bool:
        path: Any = self._get_load_path()
        return is_whole(path)

    def _get_versions(self) -> list[str]:
        # Kedro would take a store that cannot be reached for one without versions, and everything would be made anew.
        return super()._get_versions() if isinstance(self._filepath, Path) else versions(self._filepath)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}


def _is_whole(path: str) -> bool:
    return is_whole(place(path))
