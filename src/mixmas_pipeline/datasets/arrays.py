"""Arrays by name in the catalog."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.atomic import AtomicDataset


class ArraysDataset(AtomicDataset):
    """A dictionary of numpy arrays as one safetensors file."""

    def _read(self, path: Path) -> dict[str, np.ndarray]:
        from safetensors.numpy import load_file

        return load_file(path)

    def _write(self, path: Path, data: dict[str, np.ndarray]) -> None:
        from safetensors.numpy import save_file

        # safetensors writes the bytes as they lie in memory, also of an array whose columns come first.
        save_file({name: np.asarray(array, order="C") for name, array in data.items()}, path)

    def preview(self) -> ImagePreview:
        """The arrays as pictures. Only the parts that are shown are read."""
        from safetensors import safe_open

        from mixmas_pipeline.datasets.previews import arrays

        with safe_open(self._local_copy(), framework="numpy") as file:
            return arrays((name, file.get_tensor(name)) for name in sorted(file.keys()))
