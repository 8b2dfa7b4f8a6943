"""Pictures: image files of one size, upright, as bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.pictures import read_picture
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom.kinds.files import check_some, read_files
from mixmas_pipeline.pipelines.data.custom.modalities import ImageParameters

if TYPE_CHECKING:
    import pandas as pd


def learn(parameters: ImageParameters, rows: pd.DataFrame, source: Path) -> dict[str, Any]:
    """Nothing.

    Raises:
        ValueError: no training row has a file.
    """
    check_some(parameters, rows, source)
    return {}


def prepare(parameters: ImageParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: Path) -> Column:
    """(n, 3, height, width) uint8, in grey (n, height, width).

    Raises:
        CellError: a row's file is not there, is outside the folder, or is no picture that can be read.
    """
    height, width, grey = parameters.height, parameters.width, parameters.colour == "grey"

    def decode(content: bytes) -> np.ndarray:
        picture, found = read_picture(content, height, width, parameters.fit, parameters.colour)
        if picture is None:
            raise ValueError(f"{found.problem}; expected a JPEG, PNG, GIF, WebP or BMP picture")
        return picture if grey else picture.transpose(2, 0, 1)

    shape = (height, width) if grey else (3, height, width)
    array, present = read_files(parameters, rows, source, shape, decode)
    return Column(array, present, Modality("image", shape, "uint8", scale=1 / 255))
