"""Models, folders of files, and records of trainings."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from kedro.io import DatasetError, Version
from kedro.utils import load_obj
from kedro_datasets._typing import ImagePreview, JSONPreview, TablePreview

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.datasets.contents import contents
from mixmas_pipeline.storage.paths import local, read_bytes


class ModelDataset(AtomicDataset):
    """A model as a folder: safetensors and JSON. It loads as a ready ``nn.Module`` in eval mode.

    Args:
        model_class: dotted path of the class; it has ``save_pretrained(folder)``, ``from_pretrained(folder)`` and
            ``draw_pretrained(folder)``: a drawing of what is saved there, the bytes of a PNG file.
    """

    def __init__(
        self,
        *,
        filepath: str,
        model_class: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._model_class = model_class
        super().__init__(filepath=filepath, version=version, metadata=metadata)

    def _read(self, path: Path) -> Any:
        return load_obj(self._model_class).from_pretrained(path)

    def _write(self, path: Path, data: Any) -> None:
        data.save_pretrained(path)

    def preview(self) -> ImagePreview:
        """The architecture as a drawing; no weights are read."""
        path: Any = self._get_load_path()
        return ImagePreview(base64.b64encode(load_obj(self._model_class).draw_pretrained(local(path))).decode())


class FolderDataset(AtomicDataset):
    """A folder of files, held as name -> bytes. What is in a folder inside it is not read."""

    def _read(self, path: Path) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted(path.iterdir()) if file.is_file()}

    def _write(self, path: Path, data: dict[str, bytes]) -> None:
        path.mkdir()
        for name, content in data.items():
            if Path(name).name != name:
                raise DatasetError(f"{name!r} cannot be a file of the folder; expected a name without a path")
            (path / name).write_bytes(content)

    def preview(self) -> TablePreview:
        """The files, by name and size."""
        path: Any = self._get_load_path()
        return contents(local(path))


class RecordDataset(AtomicDataset):
    """What is recorded of how the newest version of another data set was made: "dataset", its name; "run"; "content",
    the hash that it goes by in the records of what was made from it; and "fingerprint" with the code, the parameters,
    the hashes of the inputs and the libraries' versions that it was made from. It is only read, and is empty where
    there is no record (of a run with another runner than this project's).

    Args:
        filepath: the other data set's.
    """

    def load(self) -> dict[str, Any]:
        path: Any = self._get_load_path()
        return self._read(path)

    def fingerprint(self) -> str:
        """A hash of the record."""
        return hashlib.blake2b(json.dumps(self.load(), sort_keys=True).encode(), digest_size=20).hexdigest()

    def _read(self, path: Any) -> dict[str, Any]:
        try:
            known = json.loads(read_bytes(path.parent / "provenance.json"))
        except (FileNotFoundError, ValueError):
            return {}
        told = ("dataset", "run", "content", "fingerprint")
        return {key: known[key] for key in told} if known.get("fingerprint") else {}

    def _write(self, path: Path, data: None) -> None:
        raise DatasetError(f"{self._filepath} is recorded when it is made; the record is only read")

    def preview(self) -> JSONPreview:
        """The whole record."""
        return JSONPreview(json.dumps(self.load()))
