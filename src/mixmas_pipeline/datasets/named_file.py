"""A file or folder of the user that a parameter names."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from mixmas_pipeline.datasets.errors import as_dataset_error
from mixmas_pipeline.storage.atomic import is_complete
from mixmas_pipeline.storage.cache import cache_folder, local_copy
from mixmas_pipeline.storage.downloads import Source, fetch, fetch_newest
from mixmas_pipeline.storage.hashing import hash_path
from mixmas_pipeline.storage.paths import as_path, without_secrets

_WEB = ("http://", "https://")


class NamedFileDataset(AbstractDataset[None, Path]):
    """A file or folder of the user that a parameter names. It loads as its path on this machine, and is never written.

    Args:
        filepath: a path; for a file also the URL of an object store, or one of the web, which is cached (it comes
            from ``MIXMAS_MIRROR`` if that is set), and fetched again when a run finds that it has changed.
        key: name of the parameter, for messages.
        metadata: for plugins. Default None.

    Raises:
        DatasetError: the file does not exist, or cannot be fetched.
    """

    def __init__(self, *, filepath: str, key: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath = filepath if "://" in filepath else str(Path(filepath).absolute())
        self._key = key

    def load(self) -> Path:
        with as_dataset_error():
            if self._filepath.startswith(_WEB):
                return fetch(*self._cached())
            if not self._exists():
                raise DatasetError(f"{without_secrets(self._filepath)} does not exist; {self._key} names it")
            return local_copy(as_path(self._filepath))

    def fingerprint(self) -> str:
        """A hash of its content. A file of the web is fetched again if it has changed there."""
        if self._filepath.startswith(_WEB):
            with as_dataset_error():
                return hash_path(fetch_newest(*self._cached()))
        return hash_path(self.load())

    def save(self, data: None) -> None:
        raise DatasetError(f"{without_secrets(self._filepath)} is the user's own; it is only read")

    def _cached(self) -> tuple[Path, Source]:
        """Where a file of the web is kept, and where it comes from.

        Raises:
            DatasetError: the address has a space.
        """
        if any(letter.isspace() for letter in self._filepath):  # it would be taken for the end where secrets are cut
            raise DatasetError(f"{self._key} is a web address with a space; write %20 for it")
        name = PurePosixPath(urlparse(self._filepath).path).name
        folder = cache_folder() / hashlib.blake2b(self._filepath.encode(), digest_size=16).hexdigest()
        return folder / name, Source(mirror=name, url=self._filepath)

    def _exists(self) -> bool:
        return self._filepath.startswith(_WEB) or is_complete(as_path(self._filepath))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": without_secrets(self._filepath)}

    def preview(self) -> TablePreview:
        """The first rows or files. No more is read than is shown."""
        from mixmas_pipeline.datasets.contents import contents

        return contents(self.load())
