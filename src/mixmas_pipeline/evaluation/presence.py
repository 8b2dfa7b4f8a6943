"""Which rows have some of a model's modalities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable


def has_any(table: MultimodalTable, modalities: Iterable[str]) -> np.ndarray:
    """(n,) booleans: the rows that have at least one of the modalities."""
    mask = np.zeros(len(table), bool)
    for name in modalities:
        mask |= table.present.get(name, True)
    return mask


def restrict(table: MultimodalTable, modalities: Iterable[str]) -> MultimodalTable:
    """The part of a table that a model of these modalities can be trained and scored on: the rows that have at least
    one of them, copied, without the other modalities. If all rows have one, it is the table itself.

    Raises:
        ValueError: no row has any of the modalities.
    """
    modalities = list(modalities)
    rows = has_any(table, modalities)
    if rows.all():
        return table
    if not rows.any():
        raise ValueError(
            f"all {len(table)} rows lack {' and '.join(modalities)}; expected some that have it. A larger sample (a "
            "smaller margin) may help"
        )
    kept = {name: modality for name, modality in table.schema.modalities.items() if name in modalities}
    arrays, present, variants = (
        {name: column for name, column in columns.items() if name in kept}
        for columns in (table.arrays, table.present, table.variants)
    )
    parts = (replace(table.schema, modalities=kept), arrays, table.labels, table.ids, table.extra)
    return MultimodalTable(*parts, present=present, variants=variants, check=False).take(np.flatnonzero(rows))
