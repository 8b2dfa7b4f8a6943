"""One array in the catalog."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.storage.memory_maps import write_array


class ArrayDataset(AtomicDataset):
    """One array as a ``.npy`` file. It loads memory-mapped and read-only."""

    def _read(self, path: Path) -> np.ndarray:
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def _write(self, path: Path, data: np.ndarray) -> None:
        write_array(data, path)

    def preview(self) -> ImagePreview:
        """Some of its pictures, or the array as one picture, with shape and type. Only what is shown is read."""
        from mixmas_pipeline.datasets.previews import arrays

        return arrays([("", self.load())])
