"""The provenance of another data set in the catalog."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from kedro.io import DatasetError
from kedro_datasets._typing import JSONPreview
from pydantic import BaseModel, ConfigDict, Field

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.storage.paths import read_bytes


class MadeFrom(BaseModel):
    """What a version was made from.

    Attributes:
        code: module -> hash of the definitions that count.
        parameters: name -> JSON.
        inputs: data set -> hash of its content.
        libraries: name -> version.
        node: what the graph says of the node.
    """

    model_config = ConfigDict(frozen=True)

    code: dict[str, str] = Field(default_factory=dict)
    parameters: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    libraries: dict[str, str] = Field(default_factory=dict)
    node: dict[str, str] = Field(default_factory=dict)


class Provenance(BaseModel):
    """How a version was made.

    Attributes:
        dataset: name in the catalog.
        run: that made it.
        content: hash by which the records of later results name this version.
        fingerprint: what it was made from.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    run: str
    content: str
    fingerprint: MadeFrom

    def uses(self, earlier: Provenance) -> bool:
        """Whether this result was made from the version that the other record describes."""
        return self.fingerprint.inputs.get(earlier.dataset) == earlier.content


class RecordDataset(AtomicDataset):
    """The record of how the newest version of another data set was made. It is only read.

    It loads as a ``Provenance``, or as None if there is no record: a run with a runner of another project writes none.

    Args:
        filepath: the other data set's.
        version, metadata: see ``AtomicDataset``.
    """

    def load(self) -> Provenance | None:
        path: Any = self._get_load_path()
        return self._read(path)

    def fingerprint(self) -> str:
        """A hash of the record."""
        return hashlib.blake2b(self._json().encode(), digest_size=20).hexdigest()

    def _read(self, path: Any) -> Provenance | None:
        try:
            return Provenance.model_validate(json.loads(read_bytes(path.parent / "provenance.json")))
        except (FileNotFoundError, ValueError):
            return None

    def _write(self, path: Path, data: None) -> None:
        raise DatasetError(f"{self._filepath} is recorded when it is made; the record is only read")

    def _json(self) -> str:
        record = self.load()
        return json.dumps(record.model_dump() if record else {}, sort_keys=True)

    def preview(self) -> JSONPreview:
        """The whole record."""
        return JSONPreview(self._json())
