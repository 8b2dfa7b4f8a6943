"""Vectors, or sequences of them, that something else has made. They are taken as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom.cells import CellError, choose, numbers
from mixmas_pipeline.pipelines.data.custom.kinds.arrays import check_finite, read_array
from mixmas_pipeline.pipelines.data.custom.modalities import EmbeddingParameters

if TYPE_CHECKING:
    import pandas as pd


def learn(parameters: EmbeddingParameters, rows: pd.DataFrame, source: Path | None) -> dict[str, Any]:
    """Returns:
    columns: of the table, in order; shape: of an example.

    Raises:
        ValueError: a column or array is not there or has no vectors; the rows' shapes differ, or are others than
            ``sequence`` says; no training row has one.
    """
    columns = [parameters.column] if parameters.column else choose(rows, parameters.columns)
    values = _values(parameters, columns, None, rows, source)
    if np.isnan(values).all():
        raise ValueError("no training row has the embedding; expected some")
    expected = 2 if parameters.sequence else 1
    if values.ndim - 1 != expected:
        what = "(steps, width), since sequence is true" if parameters.sequence else "(width,); see sequence"
        raise ValueError(f"each row's embedding has the shape {values.shape[1:]}; expected {what}")
    return {"columns": columns, "shape": list(values.shape[1:])}


def prepare(parameters: EmbeddingParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: Path | None) -> Column:
    """(n, *shape) float32.

    Raises:
        ValueError: the shape is not that of the training rows; a vector has NaN beside numbers, or infinity.
    """
    shape = tuple(learnt["shape"])
    values = _values(parameters, learnt["columns"], shape, rows, source)
    if values.shape[1:] != shape:
        raise ValueError(f"each row's embedding has the shape {values.shape[1:]}; the training rows' have {shape}")
    what = _what(parameters, learnt["columns"])
    check_finite(rows, values, what)
    empty = np.isnan(values).reshape(len(values), -1)
    if (partly := empty.any(axis=1) & ~empty.all(axis=1)).any():
        raise CellError(rows, int(partly.argmax()), what, "found NaN beside numbers; expected numbers, or NaN only")
    present = ~empty.all(axis=1)
    return Column(np.nan_to_num(values), present, Modality("embedding", shape, "float32"))


def _values(
    parameters: EmbeddingParameters,
    columns: list[str],
    shape: tuple[int, ...] | None,
    rows: pd.DataFrame,
    source: Path | None,
) -> np.ndarray:
    """(n, *shape) float32; NaN where a row has none."""
    if source is not None:
        array = read_array(source, parameters.array, rows, optional=parameters.optional and shape is not None)
        return np.full((len(rows), *(shape or ())), np.nan, np.float32) if array is None else array.astype(np.float32)
    if parameters.column is None:
        return np.column_stack([numbers(rows, column) for column in columns]).astype(np.float32)
    return _lists(rows, parameters.column, shape)


def _lists(rows: pd.DataFrame, column: str, shape: tuple[int, ...] | None) -> np.ndarray:
    vectors: list[np.ndarray | None] = []
    for position, cell in enumerate(rows[column]):
        if cell is None or cell is np.nan or (isinstance(cell, float) and np.isnan(cell)):
            vectors.append(None)
            continue
        try:
            if isinstance(cell, str):
                raise ValueError
            # Of a list of lists Arrow makes an array of arrays.
            vector = np.array([np.asarray(part, np.float32) for part in cell])
        except (TypeError, ValueError) as error:
            raise CellError(rows, position, column, f"found {str(cell)[:40]!r}; expected a list of numbers") from error
        shape = vector.shape if shape is None else shape
        if vector.shape != shape:
            raise CellError(rows, position, column, f"found the shape {vector.shape}; that of others is {shape}")
        vectors.append(vector)
    empty = np.full(shape or (), np.nan, np.float32)
    return np.stack([empty if vector is None else vector for vector in vectors])


def _what(parameters: EmbeddingParameters, columns: list[str]) -> str:
    return parameters.array or parameters.file or ", ".join(columns[:3])
