"""One prepared modality of some rows, before the modalities are put together to a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.arrays import write_array
from mixmas_pipeline.datasets.base import AtomicDataset
from mixmas_pipeline.datasets.table import Modality


@dataclass(frozen=True)
class Column:
    """A modality of n rows.

    Attributes:
        array: (n, *shape) in the stored type; zeros where a row lacks the modality. It may be mapped from a file.
        present: (n,) truth values: which rows have it.
        modality: what the array holds; ``optional`` is left to who makes the table.
    """

    array: np.ndarray
    present: np.ndarray
    modality: Modality


class ColumnDataset(AtomicDataset):
    """A ``Column`` as a folder. Its array loads memory-mapped and read-only."""

    def _read(self, path: Path) -> Column:
        modality = json.loads((path / "modality.json").read_text(encoding="utf-8"))
        return Column(
            array=np.load(path / "array.npy", mmap_mode="r", allow_pickle=False),
            present=np.load(path / "present.npy", allow_pickle=False),
            modality=Modality(**{**modality, "shape": tuple(modality["shape"])}),
        )

    def _write(self, path: Path, data: Column) -> None:
        path.mkdir()
        write_array(data.array, path / "array.npy")
        np.save(path / "present.npy", data.present, allow_pickle=False)
        (path / "modality.json").write_text(json.dumps(asdict(data.modality)), encoding="utf-8")

    def preview(self) -> ImagePreview:
        """Some of the rows that have the modality, above their numbers."""
        from mixmas_pipeline.datasets.previews import draw, sheet, spread

        column: Column = self.load()
        there = np.flatnonzero(column.present)
        rows = there[spread(len(there))]
        return sheet([draw(column.array[row], column.modality.kind) for row in rows], [f"row {row}" for row in rows])
