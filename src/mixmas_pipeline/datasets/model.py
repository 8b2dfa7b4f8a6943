"""Models, folders of files, records of trainings, and the scratch folder that training keeps its checkpoints in."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError, Version
from kedro.utils import load_obj
from kedro_datasets._typing import ImagePreview, JSONPreview, TablePreview

from mixmas_pipeline.datasets.artefacts import PREVIEW_ROWS, table_preview
from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.datasets.contents import contents
from mixmas_pipeline.storage.paths import is_remote, local, place, read_bytes

if TYPE_CHECKING:
    from mixmas_pipeline.models.multimodal import MultimodalMixer

_ARCHITECTURE_FILE = "architecture.json"  # as the model names it, whose module imports torch


class ModelDataset(AtomicDataset):
    """A ``MultimodalMixer`` as a folder: safetensors and JSON. It loads in eval mode.

    Args:
        drawing: dotted path of a function from the architecture's document to the bytes of a PNG file.
    """

    def __init__(
        self,
        *,
        filepath: str,
        drawing: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._drawing = drawing
        super().__init__(filepath=filepath, version=version, metadata=metadata)

    def _read(self, path: Path) -> MultimodalMixer:
        from mixmas_pipeline.models.multimodal import MultimodalMixer

        return MultimodalMixer.from_pretrained(path)

    def _write(self, path: Path, data: MultimodalMixer) -> None:
        data.save_pretrained(path)

    def _architecture(self) -> Any:
        """The document of the newest version's architecture; weights are not read."""
        path: Any = self._get_load_path()
        return json.loads(read_bytes(path / _ARCHITECTURE_FILE))

    def code_dependencies(self) -> list[str]:
        """The blocks of the newest version, "module:Class"."""
        from mixmas_pipeline.models.implementations import implementations

        return implementations(self._architecture())

    def preview(self) -> ImagePreview:
        """The architecture as a drawing."""
        return ImagePreview(base64.b64encode(load_obj(self._drawing)(self._architecture())).decode())


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


class ScratchFolderDataset(AbstractDataset[None, Path]):
    """A folder for unfinished work, such as checkpoints. It loads as its path, and is made when it is not there.

    In an object store it loads as a ``UPath``; what uses it writes and reads with ``mixmas_pipeline.storage.paths``.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath: Any = place(filepath)  # Path or UPath

    def load(self) -> Path:
        if not is_remote(self._filepath):  # stores know no empty folders
            self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is a scratch folder; it is not saved as a whole")

    def _exists(self) -> bool:
        return is_remote(self._filepath) or self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def fingerprint(self) -> str:
        """What lies in it never changes a result."""
        return "scratch"

    def preview(self) -> TablePreview:
        """The files that lie in it, by name; some if they are many."""
        files = sorted(path for path in self._filepath.rglob("*") if path.is_file())[:PREVIEW_ROWS]
        rows = [[str(path.relative_to(self._filepath)), path.stat().st_size] for path in files]
        return table_preview(["file", "bytes"], rows)
