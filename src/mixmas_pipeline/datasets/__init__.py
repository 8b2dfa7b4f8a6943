"""Data sets of the catalog by short names, which stay when a module moves: ``mixmas_pipeline.datasets.TableDataset``.

JSON, Parquet, plotly and text are kedro-datasets' own data sets inside an ``AtomicFile``. Nothing is imported before a
name is used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "array": ["ArrayDataset"],
        "arrays": ["ArraysDataset"],
        "atomic": ["AtomicDataset"],
        "atomic_file": ["AtomicFile"],
        "column": ["ColumnDataset"],
        "download": ["DownloadDataset"],
        "document": ["DocumentDataset", "DrawnDocumentDataset"],
        "folder": ["FolderDataset"],
        "model": ["ModelDataset"],
        "named_file": ["NamedFileDataset"],
        "png": ["PNGDataset"],
        "record": ["RecordDataset"],
        "references": ["ReferencesDataset"],
        "rows_file": ["RowsFileDataset"],
        "runs": ["RunsDataset"],
        "table": ["TableDataset"],
        "text_encoder": ["EncoderDataset"],
        "user_files": ["UserFilesDataset"],
    },
)
