"""The error of storage that a user can fix."""

from mixmas_pipeline.utils.errors import InputError


class StorageError(InputError):
    """A path, an object store, a download or an archive cannot be used. The message names it and says what to do."""
