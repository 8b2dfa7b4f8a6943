"""The formats of a table's file: a module each, with the same function.

``read(path, form)`` makes a frame of all rows, with the columns as they are stored; those of a text file are texts.
Which module reads a file follows from the ending of its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mixmas_pipeline.pipelines.data.custom.formats import arrays, arrow, text
from mixmas_pipeline.pipelines.data.custom.formats.form import Form

if TYPE_CHECKING:
    import pandas as pd


class Format(NamedTuple):
    """A format.

    Attributes:
        read: makes a frame of a file.
        typed_in: people type its cells, so that words such as NA stand for missing values.
    """

    read: Callable[[Path, Form], pd.DataFrame]
    typed_in: bool = False


_TEXT, _ARROW = Format(text.read, typed_in=True), Format(arrow.read)
FORMATS = {
    ".csv": _TEXT,
    ".csv.gz": _TEXT,
    ".tsv": _TEXT,
    ".tsv.gz": _TEXT,
    ".parquet": _ARROW,
    ".feather": _ARROW,
    ".npz": Format(arrays.read),
}


def format_of(path: Path) -> Format:
    """The format that the ending of a file's name tells.

    Raises:
        ValueError: it is none of the known ones.
    """
    name = path.name.lower()
    for ending in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(ending):
            return FORMATS[ending]
    raise ValueError(f"found the ending {path.suffix!r}; expected one of {', '.join(FORMATS)}")
