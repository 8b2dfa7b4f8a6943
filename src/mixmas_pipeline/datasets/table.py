"""The aligned multimodal table in the catalog."""

from __future__ import annotations

from pathlib import Path

from kedro_datasets._typing import HTMLPreview

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.atomic import AtomicDataset


class TableDataset(AtomicDataset):
    """A ``MultimodalTable`` as an Arrow IPC file (also readable by pandas, polars and DuckDB)."""

    def load(self) -> MultimodalTable:
        table: MultimodalTable = super().load()
        table.file = str(self._get_load_path())
        return table

    def _write(self, path: Path, data: MultimodalTable) -> None:
        from mixmas_pipeline.data.arrow import write_table

        data.check()
        write_table(data, path)

    def _read(self, path: Path) -> MultimodalTable:
        from mixmas_pipeline.data.arrow import read_table

        return read_table(path)

    def preview(self) -> HTMLPreview:
        """The first examples as pictures, with their labels and provenance."""
        from mixmas_pipeline.datasets.previews import examples

        return examples(self.load())
