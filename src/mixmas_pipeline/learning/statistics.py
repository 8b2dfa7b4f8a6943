"""Statistics of a table's inputs. They are to be taken from training data only."""

from __future__ import annotations

import numpy as np

from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.mixers.architecture import Input

_CHUNK = 1024


def input_statistics(table: MultimodalTable, modality: str) -> Input:
    """Shape, mean and standard deviation of a modality's stored values, in float64 and in chunks of rows.

    Raises:
        ValueError: all values are the same: the modality carries nothing.
    """
    array = table.arrays[modality]
    shift = float(array.flat[0])  # around a typical value, so that a constant's variance is exactly 0
    total = squares = 0.0
    for start in range(0, len(array), _CHUNK):
        chunk = array[start : start + _CHUNK].astype(np.float64) - shift
        total += chunk.sum()
        squares += np.square(chunk).sum()
    mean = total / array.size
    variance = max(squares / array.size - mean**2, 0.0)
    if variance == 0:
        raise ValueError(f"modality {modality!r}: every value is {shift}; a constant input carries no information")
    return Input(shape=table.schema.modalities[modality].shape, mean=mean + shift, std=variance**0.5)
