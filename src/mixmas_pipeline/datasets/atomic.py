"""The base of our data sets: versioned, and saved atomically (see ``mixmas_pipeline.storage.atomic``)."""

from __future__ import annotations

import logging
import re
from abc import abstractmethod
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from kedro.io import AbstractVersionedDataset, DatasetError, Version

from mixmas_pipeline.datasets.errors import as_dataset_error
from mixmas_pipeline.storage.atomic import is_complete, write_atomically
from mixmas_pipeline.storage.cache import local_copy
from mixmas_pipeline.storage.object_store import complete_versions
from mixmas_pipeline.storage.paths import as_path, remove

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
_SECONDS = "%Y-%m-%dT%H.%M.%S"
_CLOCKS = timedelta(hours=1)  # by which those of machines that share a data root may differ
_log = logging.getLogger(__name__)


class AtomicDataset(AbstractVersionedDataset[Any, Any]):
    """A file or folder that appears under its name only once it is complete, on this machine or in an object store.

    Kedro's own versioned data sets write in place: a killed save leaves a truncated newest version, which ``exists()``
    trusts.

    Subclasses implement ``_read(path)`` and ``_write(path, data)``. Both receive paths of this machine.

    Args:
        filepath: a path, or the URL of an object store (``s3://bucket/...``).
        version: Kedro's. Default None: not versioned.
        metadata: for plugins, such as the layer in kedro-viz. Default None.

    Raises:
        DatasetError: the URL's file system is not an object store, or the package that reads it is not installed.
    """

    _filepath: Any  # Path or UPath; Kedro says PurePosixPath

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.metadata = metadata
        with as_dataset_error():
            path: Any = as_path(filepath)
        super().__init__(path, version, exists_function=_is_complete)

    def load(self) -> Any:
        path: Any = self._get_load_path()
        try:
            copy = local_copy(path)
        except FileNotFoundError as error:
            raise DatasetError(f"{path} does not exist; run the pipeline that produces it first") from error
        try:
            return self._read(copy)
        except DatasetError:
            raise
        except Exception as error:
            raise DatasetError(f"{path} cannot be read ({type(error).__name__}): {error}") from error

    def save(self, data: Any) -> None:
        path: Any = self._get_save_path()
        with as_dataset_error():
            write_atomically(path, lambda partial: self._write(partial, data))

    def discard(self) -> None:
        """Remove the version that this run would save: a killed attempt has left it, and the next one writes anew."""
        if self._version is not None:
            path: Any = self._get_versioned_path(self.resolve_save_version() or "")
            remove(path)
            self.release()

    @abstractmethod
    def _read(self, path: Path) -> Any:
        """Read the file or folder."""

    @abstractmethod
    def _write(self, path: Path, data: Any) -> None:
        """Write to a path that does not exist yet."""

    def _local_copy(self) -> Path:
        """The newest version on this machine, for previews that read a part of it."""
        path: Any = self._get_load_path()
        return local_copy(path)

    def _exists(self) -> bool:
        path: Any = self._get_load_path()
        return is_complete(path)

    def _get_versions(self) -> list[str]:
        # Kedro would take a store that cannot be reached for one without versions, and everything would be made anew.
        local = isinstance(self._filepath, Path)
        return _until_now(super()._get_versions() if local else complete_versions(self._filepath))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}


def _until_now(paths: list[str]) -> list[str]:
    """Drop versions with a date in the future, which would stay the newest after every run."""
    limit = (datetime.now(UTC) + _CLOCKS).strftime(_SECONDS)
    kept = []
    for path in paths:
        version = PurePath(path).parent.name
        if _TIMESTAMP.fullmatch(version) and version[: len(limit)] > limit:
            _warn_of(path)
        else:
            kept.append(path)
    return kept


@cache
def _warn_of(path: str) -> None:
    """Once per process."""
    _log.warning("%s is a version of the future, and is not used; if a wrong clock made it, remove its folder", path)


def _is_complete(path: str) -> bool:
    return is_complete(as_path(path))
