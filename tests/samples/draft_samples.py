"""Tables to draft from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixmas_pipeline.pipelines.data.custom.cells import NUMBER
from mixmas_pipeline.pipelines.data.custom.drafting import Draft, data_set_name, draft
from mixmas_pipeline.pipelines.data.custom.reading import name_rows


def animals(rows: int = 120, **columns: Any) -> pd.DataFrame:
    """Rows with an id, a number, a category and a label of two values; and further columns."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "name": [f"pet{i}" for i in range(rows)],
            "age": rng.normal(8, 3, rows).round(3),
            "breed": rng.choice(["a", "b", "c"], rows),
            "outcome": rng.choice(["no", "no", "yes"], rows),
        }
    )
    return frame.assign(**columns)


def named_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """As a draft has them once they are read."""
    return name_rows(frame, None).set_index(NUMBER)


def drafted(frame: pd.DataFrame, folder: Path, *labels: str, file: str = "pets.csv") -> Draft:
    """The draft of a table, written into a folder that is the project."""
    path = folder / file
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return draft(path, file, labels or ("outcome",), data_set_name(file), folder)


def table_of(made: Draft) -> dict[str, Any]:
    """The section ``table`` of a draft."""
    table: dict[str, Any] = made.parameters[made.name]["table"]
    return table
