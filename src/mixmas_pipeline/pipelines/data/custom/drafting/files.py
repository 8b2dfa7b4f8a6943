"""Pictures and recordings beside the table, which one of its columns names."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from mixmas_pipeline.pipelines.data.custom.drafting.columns import as_words
from mixmas_pipeline.pipelines.data.custom.drafting.messages import shown
from mixmas_pipeline.pipelines.data.custom.kinds.files import Files
from mixmas_pipeline.storage.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd

Media = Literal["image", "audio"]
_ENDINGS: dict[str, Media] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"), "image"),
    **dict.fromkeys((".wav", ".flac", ".ogg", ".mp3"), "audio"),
}
_MOST = 0.9  # the share of cells from which on a column names files
_FOUND = 0.5  # the share of them that must exist
_FOLDERS = 200  # that are looked into, at most
_DEPTH = 3
_SAMPLE = 20  # pictures that are opened
_SMALL, _SIDE, _LARGE = 32, 64, 40  # sides of what small and other pictures become; the largest side of small ones
_MISSING = 0.05  # the share of cells without a file that a run accepts


@dataclass(frozen=True)
class FileColumn:
    """A column that names files.

    Attributes:
        column: its name.
        media: what the files are.
        folder: where they are: a folder or a .zip; None if there is none.
        pattern: of the files' names.
        lacking: (n,) rows without a file.
        unfound: cells that name a file which does not exist.
        problem: why there is no modality of it; "" if there is one.
    """

    column: str
    media: Media
    folder: Path | None
    pattern: str
    lacking: np.ndarray
    unfound: int
    problem: str = ""

    @property
    def most_unfound(self) -> float | None:
        """The parameter of this name, if the default is too small for the table."""
        share = self.unfound / max(1, len(self.lacking))
        return None if share <= _MISSING / 2 else min(1.0, round(2 * share + 0.01, 2))


def folders_beside(table: Path, project: Path) -> list[Path]:
    """The table's folder, those in it (and their .zip files), and the project's: where files may be."""
    found = [table.parent]
    for folder, inner, names in os.walk(table.parent):
        depth = len(Path(folder).relative_to(table.parent).parts)
        hidden = [name for name in inner if name.startswith((".", "_"))]
        inner[:] = sorted(set(inner) - set(hidden)) if depth + 1 < _DEPTH else []
        found += [Path(folder, name) for name in [*inner, *sorted(n for n in names if n.lower().endswith(".zip"))]]
        if len(found) > _FOLDERS:
            break
    return list(dict.fromkeys([*found[:_FOLDERS], project]))


def find_files(rows: pd.DataFrame, column: str, folders: list[Path]) -> FileColumn | None:
    """What the column says of files; None if its cells are no names of files.

    Cells name files by their ending; or, where all cells differ, as the beginning of their names ("rex" of
    "songs/rex.wav").
    """
    cells = as_words(rows[column])
    endings = cells.str.lower().str.extract(r"(\.[a-z0-9]+)$")[0]
    media = endings.map(_ENDINGS).dropna()
    if len(media) < _MOST * len(cells) or not len(media):
        return _by_stem(rows, column, cells, folders)
    kind: Media = media.mode()[0]
    if cells.map(lambda cell: cell.startswith(("/", "~")) or ":" in cell[:3] or ".." in cell.split("/")).any():
        problem = f"paths from a root, such as {shown(cells.iloc[0])}; write them from a folder beside the table"
        return FileColumn(column, kind, None, "{}", rows[column].isna().to_numpy(), 0, problem)
    best, exists = None, np.zeros(len(cells), bool)
    for folder in folders:
        with _opened(folder) as files:
            found = _exist(files, cells.tolist())
        if found.sum() > exists.sum():
            best, exists = folder, found
    if best is None or exists.mean() < _FOUND:
        missing = cells[~exists]
        what = "pictures" if kind == "image" else "recordings"
        where = f"the table's folder, {folders[0]}, or a folder in it"
        problem = (
            f"names of {what}, of which {int(exists.sum())} of {len(cells)} exist in {where}: there is no "
            f"{shown(missing.iloc[0])} (row {missing.index[0]}). Put the files there"
        )
        return FileColumn(column, kind, None, "{}", rows[column].isna().to_numpy(), len(missing), problem)
    return _with_folder(rows, column, kind, best, "{}", cells, exists)


def _with_folder(
    rows: pd.DataFrame, column: str, kind: Media, folder: Path, pattern: str, cells: pd.Series, exists: np.ndarray
) -> FileColumn:
    lacking = np.ones(len(rows), bool)
    lacking[cells.index[exists]] = False  # the index has the rows' numbers
    return FileColumn(column, kind, folder, pattern, lacking, int((~exists).sum()))


def _by_stem(rows: pd.DataFrame, column: str, cells: pd.Series, folders: list[Path]) -> FileColumn | None:
    """Names without the ending, in a folder other than the table's own."""
    if not cells.is_unique or len(cells) < _MOST * len(rows):
        return None
    for folder in folders[1:]:
        with _opened(folder) as files:
            for ending in (*_ENDINGS, *map(str.upper, _ENDINGS)):
                exists = _exist(files, [f"{cell}{ending}" for cell in cells])
                if exists.mean() >= _MOST:
                    kind = _ENDINGS[ending.lower()]
                    return _with_folder(rows, column, kind, folder, f"{{}}{ending}", cells, exists)
    return None


def _exist(files: Files | None, names: list[str]) -> np.ndarray:
    """Which files exist; none if none of some names does. (A folder is not listed: a project may have very many.)"""
    few = names[:: max(1, len(names) // 50)]
    if files is None or not any(files.has(name) for name in few):
        return np.zeros(len(names), bool)
    return np.array([files.has(name) for name in names])


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Files | None]:
    try:
        files = Files(folder)
    except StorageError:  # a .zip that cannot be read
        yield None
        return
    with files:
        yield files


def picture_shape(found: FileColumn, rows: pd.DataFrame) -> tuple[int, bool, str]:
    """Of a column of pictures.

    Returns:
        The side to which they are resized; whether all are grey; and what that was made from.
    """
    from PIL import Image

    assert found.folder is not None
    cells = as_words(rows[found.column][~found.lacking])
    sizes, modes = [], set()
    with Files(found.folder) as files:
        for cell in cells.iloc[:: max(1, len(cells) // _SAMPLE)]:
            with contextlib.suppress(OSError, ValueError, Image.DecompressionBombError):
                picture = Image.open(io.BytesIO(files.read(found.pattern.replace("{}", cell))))
                sizes.append(picture.size)
                modes.add(picture.mode)
    if not sizes:
        return _SIDE, False, "no picture could be opened"
    width, height = (round(float(np.median([size[i] for size in sizes]))) for i in (0, 1))
    side = _SMALL if max(width, height) <= _LARGE else _SIDE
    grey = modes <= {"1", "L", "LA", "I", "I;16", "F"}
    what = f"{'grey ' if grey else ''}pictures of about {width} x {height} ({len(sizes)} were looked at)"
    return side, grey, f"{what}. Larger sides show more and take longer"


def is_media_name(name: str) -> bool:
    """Whether a text is the name of a picture or a recording."""
    return re.fullmatch(r".*(\.[a-z0-9]+)", name.lower()) is not None and Path(name.lower()).suffix in _ENDINGS
