"""Storage's errors as Kedro's ``DatasetError``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kedro.io import DatasetError

from mixmas_pipeline.storage.errors import StorageError


@contextmanager
def as_dataset_error() -> Iterator[None]:
    """Raise a ``StorageError`` as a ``DatasetError`` with the same text."""
    try:
        yield
    except StorageError as error:
        raise DatasetError(str(error)) from error
