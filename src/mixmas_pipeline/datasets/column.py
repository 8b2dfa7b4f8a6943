"""One prepared modality in the catalog."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.storage.memory_maps import write_array


class ColumnDataset(AtomicDataset):
    """A ``Column`` as a folder. Its array loads memory-mapped and read-only."""

    def _read(self, path: Path) -> Column:
        modality = json.loads((path / "modality.json").read_text(encoding="utf-8"))
        variants = path / "variants.npy"
        return Column(
            array=np.load(path / "array.npy", mmap_mode="r", allow_pickle=False),
            present=np.load(path / "present.npy", allow_pickle=False),
            modality=Modality.from_json(modality),
            variants=np.load(variants, mmap_mode="r", allow_pickle=False) if variants.exists() else None,
        )

    def _write(self, path: Path, data: Column) -> None:
        path.mkdir()
        write_array(data.array, path / "array.npy")
        if data.variants is not None:
            write_array(data.variants, path / "variants.npy")
        np.save(path / "present.npy", data.present, allow_pickle=False)
        (path / "modality.json").write_text(json.dumps(asdict(data.modality)), encoding="utf-8")

    def preview(self) -> ImagePreview:
        """Some of the rows that have the modality, above their row numbers."""
        from mixmas_pipeline.datasets.previews import draw, sheet, spread

        column: Column = self.load()
        present = np.flatnonzero(column.present)
        rows = present[spread(len(present))]
        return sheet([draw(column.array[row], column.modality.kind) for row in rows], [f"row {row}" for row in rows])
