"""Statistics of a table's inputs and targets. Take them from training data only."""

from __future__ import annotations

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable, chunks
from mixmas_pipeline.models.architecture import Architecture, Input, Targets


def with_statistics(architecture: Architecture, train: MultimodalTable) -> Architecture:
    """The architecture with inputs (and a regression's targets) standardised by the training split's statistics."""
    inputs = {name: input_statistics(train, name) for name in architecture.inputs}
    return architecture.model_copy(update={"inputs": inputs, "targets": target_statistics(train)})


def input_statistics(table: MultimodalTable, modality: str) -> Input:
    """Shape, mean and standard deviation of a modality's stored values, in float64 and in chunks of rows.

    Values of shape (channels, height, width) have one mean and standard deviation per channel; a constant channel gets
    a standard deviation of 1. Padding does not count, nor do rows that lack the modality.

    Raises:
        ValueError: all values are the same, or every row lacks the modality.
    """
    array, kind = table.arrays[modality], table.schema.modalities[modality]
    present = table.present.get(modality, np.ones(len(table), bool))
    if not present.any():
        raise ValueError(f"modality {modality!r} is missing in all {len(table)} rows; expected some that have it")
    by_channel = len(kind.shape) == 3
    axes = (0, 2, 3) if by_channel else None
    # Shifted by a typical value, so that a constant's variance is exactly 0.
    shift = array[present.argmax()].astype(np.float64).flat[0]
    count, total, squares = 0, 0.0, 0.0
    for rows in chunks(array):
        chunk = (array[rows] if present.all() else array[rows][present[rows]]).astype(np.float64)
        if kind.padded:
            chunk = chunk[chunk.any(axis=-1)]
        chunk -= shift
        total = total + chunk.sum(axis=axes)
        squares = squares + np.square(chunk).sum(axis=axes)
        count += chunk.size // (kind.shape[0] if by_channel else 1)
    mean = np.asarray(total) / max(count, 1)
    variance = np.maximum(np.asarray(squares) / max(count, 1) - mean**2, 0.0)
    if not variance.any():
        raise ValueError(f"modality {modality!r}: every value is {shift}; a constant input carries no information")
    std = np.sqrt(np.where(variance > 0, variance, 1.0))
    return Input(
        shape=kind.shape,
        mean=_plain(mean + shift, by_channel),
        std=_plain(std, by_channel),
        padded=kind.padded,
        optional=kind.optional,
    )


def target_statistics(table: MultimodalTable) -> Targets | None:
    """Mean and standard deviation of each target of a regression, in float64; None for other tasks.

    Raises:
        ValueError: all values of a target are the same.
    """
    if table.schema.task != "regression":
        return None
    labels = table.labels.astype(np.float64)
    if (constant := (labels == labels[0]).all(axis=0)).any():
        target = int(np.flatnonzero(constant)[0])
        raise ValueError(
            f"target {table.schema.classes[target]!r} is {labels[0, target]:g} in all {len(labels)} rows; there is "
            "nothing to learn"
        )
    return Targets(mean=tuple(labels.mean(axis=0).tolist()), std=tuple(labels.std(axis=0).tolist()))


def _plain(values: np.ndarray, by_channel: bool) -> float | tuple[float, ...]:
    return tuple(map(float, values)) if by_channel else float(values)
