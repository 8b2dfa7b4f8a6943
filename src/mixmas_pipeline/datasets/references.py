"""Fitted reference models in the catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kedro_datasets._typing import JSONPreview

from mixmas_pipeline.datasets.atomic import AtomicDataset

if TYPE_CHECKING:
    from mixmas_pipeline.models.reference import ReferenceModel


class ReferencesDataset(AtomicDataset):
    """A list of ``ReferenceModel`` as a folder of numbered folders, each of safetensors and JSON. They load in eval
    mode."""

    def _read(self, path: Path) -> list[ReferenceModel]:
        from mixmas_pipeline.models.reference import ReferenceModel

        return [ReferenceModel.from_pretrained(path / str(number)) for number in range(len(list(path.iterdir())))]

    def _write(self, path: Path, data: list[ReferenceModel]) -> None:
        path.mkdir()
        for number, model in enumerate(data):
            model.save_pretrained(path / str(number))

    def preview(self) -> JSONPreview:
        """The models' descriptions; tensors are not read."""
        files = sorted(self._local_copy().glob("*/reference.json"), key=lambda file: int(file.parent.name))
        return JSONPreview(json.dumps([json.loads(file.read_text()) for file in files]))
