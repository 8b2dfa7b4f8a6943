"""The files of a modality of one file a row: in a folder, or in a .zip archive."""

from __future__ import annotations

import logging
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import CellError, plain, words
from mixmas_pipeline.pipelines.data.custom.modalities import FileParameters
from mixmas_pipeline.storage.archives import open_archive, refuse_outside
from mixmas_pipeline.storage.errors import StorageError
from mixmas_pipeline.utils.progress import Progress
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd

Decoder = Callable[[bytes], np.ndarray]
_log = logging.getLogger(__name__)
_LARGEST = 1 << 28  # bytes; a few kB of an archive may stand for any number of them


class Files:
    """Use it in a ``with`` block. Names are paths inside the folder, or inside the archive; where all of an archive is
    in one folder, which is what packing a folder gives, also inside that.

    Args:
        path: of the folder or the archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive: zipfile.ZipFile | None = open_archive(path) if path.is_file() else None
        self._members = _members(self._archive) if self._archive else {}
        self._spellings: dict[str, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._archive:
            self._archive.close()

    def has(self, name: str) -> bool:
        """Is there a file of this name?"""
        if self._archive:
            return name in self._members
        try:
            return (self.path / name).is_file()
        except (OSError, ValueError):  # the name is too long for a file, or has a character that no name has
            return False

    def leads_outside(self, name: str) -> bool:
        """Is it a link to a file outside the folder?"""
        try:
            return not self._archive and not (self.path / name).resolve().is_relative_to(self.path.resolve())
        except (OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have: it is not there
            return False

    def names(self) -> list[str]:
        """Of all files, sorted."""
        found = self._members or (p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file())
        return sorted(found)

    def similar(self, name: str) -> str | None:
        """The file whose name differs in its spelling only, see ``cells.plain``."""
        if self._spellings is None:
            self._spellings = {plain(found): found for found in self.names()}
        other = self._spellings.get(plain(name))
        return None if other == name else other

    def read(self, name: str) -> bytes:
        """Its content. Several threads may read at once.

        Raises:
            ValueError: it is damaged, cannot be read, or has over 256 MiB.
        """
        try:
            with self._archive.open(self._members[name]) if self._archive else (self.path / name).open("rb") as stream:
                content = stream.read(_LARGEST + 1)
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError) as error:
            raise ValueError(f"it cannot be read ({type(error).__name__}: {error})") from error
        if len(content) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST >> 20} MiB")
        return content


def read_files(
    parameters: FileParameters, rows: pd.DataFrame, path: Path, shape: tuple[int, ...], decode: Decoder
) -> tuple[np.ndarray, np.ndarray]:
    """What is made of every row's file; several are decoded at once.

    Args:
        path: of the folder or the archive.
        shape: of what is made of a file.
        decode: makes it of the file's bytes; a ValueError says what is wrong with them.

    Returns:
        array: uint8 (n, *shape); zeros where a row has no file.
        present: (n,) truth values.

    Raises:
        CellError: see ``file_names``; or a file cannot be read or decoded.
    """
    array = np.zeros((len(rows), *shape), np.uint8)
    with Files(path) as files:
        names, present = file_names(parameters, rows, files)

        def fill(position: int) -> None:
            try:
                array[position] = decode(files.read(names[position]))
            except ValueError as error:
                text = f"{names[position]} in {path}: {error}"
                raise CellError(rows, position, parameters.column, text) from error

        with (
            ThreadPoolExecutor(os.cpu_count() or 1) as pool,
            Progress(int(present.sum()), f"Reading {path}") as progress,
        ):
            for _ in pool.map(fill, np.flatnonzero(present)):
                progress.advance()
    return array, present


def check_some(parameters: FileParameters, rows: pd.DataFrame, path: Path) -> None:
    """Has any training row a file, and do almost all cells name one?

    Raises:
        ValueError: they do not; or see ``file_names``.
    """
    with Files(path) as files:
        _, present = file_names(parameters, rows, files)
    written = sum(cell is not None for cell in words(rows, parameters.column))
    unfound = written - int(present.sum())
    if present.any() and unfound > max(1, parameters.most_unfound * written):
        raise ValueError(
            f"{unfound} of {written} cells of the column {parameters.column!r} name no file in {path}; expected "
            f"at most {parameters.most_unfound:.0%}. Correct them, or set most_unfound to the share that may lack one"
        )
    if not present.any():
        raise ValueError(
            f"no training row has a file: expected some named as the column {parameters.column!r} and the pattern "
            f"{parameters.pattern!r} say, in {path}"
        )


def file_names(parameters: FileParameters, rows: pd.DataFrame, files: Files) -> tuple[list[str], np.ndarray]:
    """Every row's file, and (n,) truth values: whether there is one ("" where there is not).

    Of a modality that is optional the log says how many cells name no file.

    Raises:
        CellError: the name points outside the folder, or to a link that leads there; or the file is not there, of a
            modality that is not optional, or a file's name differs only in how it is written.
    """
    names, unfound = [], []
    cells = words(rows, parameters.column)
    written = {parameters.pattern.replace("{}", cell) for cell in cells if cell}
    for position, cell in enumerate(cells):
        name = parameters.pattern.replace("{}", cell) if cell else ""
        if name:
            try:
                refuse_outside(files.path, name)
            except StorageError as error:
                text = f"the path {name!r} points outside {files.path}; expected one inside it"
                raise CellError(rows, position, parameters.column, text) from error
        if name and not parameters.follow_links and files.leads_outside(name):
            text = f"{name!r} is a link to a file outside {files.path}; follow_links: true allows such files"
            raise CellError(rows, position, parameters.column, text)
        if name and not files.has(name):
            if (other := files.similar(name)) is not None and other not in written:
                text = f"there is no file {name!r} in {files.path}, but {other!r}; expected the same spelling"
                raise CellError(rows, position, parameters.column, text)
            if not parameters.optional:
                raise CellError(rows, position, parameters.column, f"there is no file {name} in {files.path}")
            unfound.append(name)
            name = ""
        names.append(name)
    if unfound:
        _log.warning(
            "%s: %d of %d cells name no file in %s, for example %s; these rows lack the modality",
            parameters.column, len(unfound), len(names), files.path, ", ".join(map(repr, unfound[:3])), extra=LITERAL,
        )  # fmt: skip
    return names, np.array([bool(name) for name in names])


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Name -> the member that it stands for."""
    names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX/")]
    tops = {next(iter(PurePosixPath(name).parts), "") for name in names}
    inside = {name.partition("/")[2]: name for name in names} if len(tops) == 1 else {}
    return {**inside, **{name: name for name in names}}
