"""The base of our data sets: versioned, and written so that a kill never leaves a version that looks whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractVersionedDataset, DatasetError, Version


class AtomicDataset(AbstractVersionedDataset[Any, Any]):
    """A file (or folder) that appears under its name only once it is complete.

    Kedro's own versioned data sets write in place: a save that is killed leaves a truncated newest version
    which ``exists()`` trusts. Here subclasses write to a temporary name in the same folder, which is flushed to
    the disk and then renamed; the rename is atomic on one file system.

    Subclasses implement ``_read(path)`` and ``_write(path, data)``.
    """

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.metadata = metadata
        super().__init__(PurePosixPath(filepath), version)

    def load(self) -> Any:
        path = Path(self._get_load_path())
        if not path.exists():
            raise DatasetError(f"{path} does not exist; run the pipeline that produces it first")
        try:
            return self._read(path)
        except DatasetError:
            raise
        except Exception as error:
            raise DatasetError(f"{path} cannot be read ({type(error).__name__}): {error}") from error

    def save(self, data: Any) -> None:
        final = Path(self._get_save_path())
        final.parent.mkdir(parents=True, exist_ok=True)
        partial = final.with_name(f".{final.name}.{uuid.uuid4().hex}.partial")
        try:
            self._write(partial, data)
            for file in [partial] if partial.is_file() else sorted(partial.rglob("*")):
                _flush(file)
            if final.is_dir():  # only without versions: a folder cannot be replaced in one step
                old = final.with_name(f".{final.name}.{uuid.uuid4().hex}.old")
                final.replace(old)
                partial.replace(final)
                _remove(old)
            else:
                partial.replace(final)
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(partial)
                if not any(final.parent.iterdir()):
                    final.parent.rmdir()
            raise

    def discard(self) -> None:
        """Remove the version that this run would save: a killed attempt has left it, and the next one writes anew."""
        if self._version is not None:
            _remove(Path(self._get_versioned_path(self.resolve_save_version() or "")))
            self.release()

    @abstractmethod
    def _read(self, path: Path) -> Any:
        """What the file or folder holds."""

    @abstractmethod
    def _write(self, path: Path, data: Any) -> None:
        """Write to a path that does not exist yet."""

    def _exists(self) -> bool:
        return Path(self._get_load_path()).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _flush(file: Path) -> None:
    """Wait until the file's bytes are on the disk, so that the rename cannot outlive them."""
    if file.is_file():
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
