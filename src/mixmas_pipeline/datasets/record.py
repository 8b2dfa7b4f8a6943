"""The provenance of another data set in the catalog."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from kedro.io import DatasetError
from kedro_datasets._typing import JSONPreview

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.storage.paths import read_bytes

_KEYS = ("dataset", "run", "content", "fingerprint")


class RecordDataset(AtomicDataset):
    """The record of how the newest version of another data set was made. It is only read.

    It loads as a dictionary of "dataset", its name; "run"; "content", the hash that it goes by in the records of what
    was made from it; and "fingerprint" with the code, the parameters, the hashes of the inputs and the libraries'
    versions that it was made from. It is empty if there is no record, after a run with another runner than this
    project's.

    Args:
        filepath: the other data set's.
        version, metadata: see ``AtomicDataset``.
    """

    def load(self) -> dict[str, Any]:
        path: Any = self._get_load_path()
        return self._read(path)

    def fingerprint(self) -> str:
        """A hash of the record."""
        return hashlib.blake2b(json.dumps(self.load(), sort_keys=True).encode(), digest_size=20).hexdigest()

    def _read(self, path: Any) -> dict[str, Any]:
        try:
            record = json.loads(read_bytes(path.parent / "provenance.json"))
        except (FileNotFoundError, ValueError):
            return {}
        return {key: record[key] for key in _KEYS} if record.get("fingerprint") else {}

    def _write(self, path: Path, data: None) -> None:
        raise DatasetError(f"{self._filepath} is recorded when it is made; the record is only read")

    def preview(self) -> JSONPreview:
        """The whole record."""
        return JSONPreview(json.dumps(self.load()))
