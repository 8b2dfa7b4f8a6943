"""Small tables of custom data sets, and their parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixmas_pipeline.pipelines.data.custom.cells import COUNT, ID, NUMBER
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters

FRACTIONS = {"fractions": {"validation": 0.2, "test": 0.2}}


def table(**changes: Any) -> TableParameters:
    """Of a file of pets with one tabular modality."""
    written: dict[str, Any] = {
        "file": "pets.csv",
        "label": "kind",
        "task": "multiclass",
        "split": FRACTIONS,
        "modalities": {"facts": {"kind": "tabular", "columns": ["age"]}},
    }
    return TableParameters.model_validate({**written, **changes})


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """As kinds get it: ids, and numbers as the index."""
    frame = frame.assign(**{ID: [f"r{i}" for i in range(len(frame))], COUNT: len(frame)})
    frame.index.name = NUMBER
    return frame


def pets(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Rows of texts and numbers, as in a file: name, owner (of one to three pets), kind, sick, age, breed, hr_0..3."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["cat", "dog", "cow"], rows)
    frame = pd.DataFrame(
        {
            "name": [f"pet{i}" for i in range(rows)],
            "owner": [f"owner{i // 2}" for i in range(rows)],
            "kind": kind,
            "sick": rng.choice(["no", "yes"], rows),
            "age": rng.normal(8, 3, rows).round(3),
            "breed": rng.choice(["a", "b", "c"], rows),
        }
    )
    for step in range(4):
        frame[f"hr_{step}"] = rng.normal(80, 5, rows).round(3)
    return frame
