"""A folder of files in the catalog."""

from __future__ import annotations

from pathlib import Path

from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview

from mixmas_pipeline.datasets.atomic import AtomicDataset


class FolderDataset(AtomicDataset):
    """A folder of files, held as name -> bytes. Folders inside it are not read."""

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
        from mixmas_pipeline.datasets.contents import contents

        return contents(self._local_copy())
