"""Strata: the groups of rows whose proportions a sample keeps."""

from __future__ import annotations

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable

_RANGES = 10  # of a regression target, at most


def strata_of(table: MultimodalTable) -> tuple[np.ndarray, list[str]]:
    """The strata that a sample of a table keeps in proportion, (n, strata) booleans, and their names: those of its
    labels, and per modality that some rows lack the rows that have it."""
    strata, names = label_strata(table.schema.task, table.labels, table.schema.classes)
    partial = {name: mask for name, mask in table.present.items() if not mask.all()}
    return np.column_stack([strata, *partial.values()]), [*names, *(f"with {name}" for name in partial)]


def label_strata(task: str, labels: np.ndarray, classes: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """The strata of labels, (n, strata) booleans, and their names: the classes, or of a regression up to ten ranges of
    each target, between its quantiles.

    Args:
        labels: as of a ``MultimodalTable`` of this task.
        classes: names of the classes or targets.
    """
    if task == "regression":
        return _ranges(labels, classes)
    return labels.astype(bool) if task == "multilabel" else labels[:, None] == np.arange(len(classes)), list(classes)


def _ranges(labels: np.ndarray, targets: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    members, names = [], []
    for column, target in zip(labels.T, targets, strict=True):
        cuts = np.unique(np.quantile(column, np.linspace(0, 1, min(_RANGES, max(2, len(column) // 30)) + 1)))
        which = np.searchsorted(cuts[1:-1], column, side="right")
        for number, b in enumerate(np.unique(which), start=1):
            members.append(which == b)
            low, high = column[which == b].min(), column[which == b].max()
            names.append(f"{target} {number}: {low:.4g} to {high:.4g}")
    return np.stack(members, axis=1), names
