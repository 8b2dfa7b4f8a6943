"""Rows as the kinds of modalities get them, and what the kinds make of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.pipelines.data.custom.cells import ID
from mixmas_pipeline.pipelines.data.custom.kinds import KINDS
from mixmas_pipeline.pipelines.data.custom.modalities import ModalityOf


def frame(**columns: list[Any]) -> pd.DataFrame:
    """Rows 10, 11, ... of a file, with the ids id-0, id-1, ..."""
    count = len(next(iter(columns.values())))
    rows = pd.DataFrame({**columns, ID: [f"id-{i}" for i in range(count)]})
    return rows.set_index(pd.RangeIndex(10, 10 + count))


def made(rows: pd.DataFrame, source: Path | None = None, train: int | None = None, **written: Any) -> Column:
    """Learnt of the first rows, prepared of all."""
    parameters: Any = TypeAdapter(ModalityOf).validate_python(written)
    kind = KINDS[parameters.kind]
    return kind.prepare(parameters, kind.learn(parameters, rows[:train], source), rows, source)
