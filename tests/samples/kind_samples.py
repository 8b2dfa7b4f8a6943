"""Rows as the kinds of modalities get them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mixmas_pipeline.pipelines.data.custom.cells import ID


def frame(**columns: list[Any]) -> pd.DataFrame:
    """Rows 10, 11, ... of a file, with the ids id-0, id-1, ..."""
    count = len(next(iter(columns.values())))
    rows = pd.DataFrame({**columns, ID: [f"id-{i}" for i in range(count)]})
    return rows.set_index(pd.RangeIndex(10, 10 + count))
