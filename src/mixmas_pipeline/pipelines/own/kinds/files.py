"""The files of a modality of one file a row: in a folder, or in a .zip archive."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from kedro.io import DatasetError

from mixmas_pipeline.datasets.sources import open_archive, refuse_outside
from mixmas_pipeline.pipelines.own.cells import CellError, words
from mixmas_pipeline.pipelines.own.parameters import FileParameters

if TYPE_CHECKING:
    import pandas as pd


class Files:
    """Use it in a ``with`` block.

    Args:
        path: of the folder or the archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive: zipfile.ZipFile | None = open_archive(path) if path.is_file() else None
        self._members = set(self._archive.namelist()) if self._archive else set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._archive:
            self._archive.close()

    def has(self, name: str) -> bool:
        """Is there a file of this name?"""
        return name in self._members if self._archive else (self.path / name).is_file()

    def read(self, name: str) -> bytes:
        """Its content."""
        return self._archive.read(name) if self._archive else (self.path / name).read_bytes()


def file_names(parameters: FileParameters, rows: pd.DataFrame, files: Files) -> tuple[list[str], np.ndarray]:
    """Every row's file, and (n,) truth values: whether there is one ("" where there is not).

    Raises:
        CellError: the name points outside the folder; or the file is not there, of a modality that is not optional.
    """
    names = []
    for position, cell in enumerate(words(rows, parameters.column)):
        name = "" if cell is None else parameters.pattern.replace("{}", cell)
        if name:
            try:
                refuse_outside(files.path, name)
            except DatasetError as error:
                raise CellError(rows, position, parameters.column, str(error)) from error
        if name and not files.has(name):
            if not parameters.optional:
                raise CellError(rows, position, parameters.column, f"there is no file {name} in {files.path}")
            name = ""
        names.append(name)
    return names, np.array([bool(name) for name in names])
