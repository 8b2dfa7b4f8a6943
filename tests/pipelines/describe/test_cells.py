"""Empty cells, and groups in columns that no modality uses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import planted
import pytest

from mixmas_pipeline.pipelines.data.custom.cells import ID
from mixmas_pipeline.pipelines.describe import nodes

# What measure_cells has to know of the columns.
TABLE = {
    "file": "x.csv",
    "label": "full",
    "task": "regression",
    "split": {"fractions": {"validation": 0.2, "test": 0.2}},
    "modalities": {"facts": {"kind": "tabular", "columns": ["half", "most"]}},
}


def rows_of_a_file(**columns: Any) -> dict[str, pd.DataFrame]:
    columns = {"full": np.arange(100.0), "half": 1.0, "most": 1.0, ID: [f"r{i}" for i in range(100)], **columns}
    return {split: pd.DataFrame(columns) for split in planted.SPLITS}


def test_groups_in_columns_of_a_file_that_nothing_uses() -> None:
    """Patients lie in two splits. A colour, a number of visits and a value of one split only are no groups."""
    rows = rows_of_a_file(
        patient=np.arange(100) // 3, colour=["red", "blue"] * 50, visits=np.arange(100) % 30, room=["a", None] * 50
    )
    for split, frame in rows.items():
        frame["sheet"] = [f"{split} {i // 2}" for i in range(100)]
    rows["validation"]["patient"] += 1000
    findings = nodes.measure_cells(**rows, table=TABLE).findings
    (shared,) = [f for f in findings if "training rows also have" in f.what]
    assert (shared.split, shared.count) == ("test", 100)
    assert "'patient'" in shared.what


def test_dates_of_a_text_file_are_no_groups() -> None:
    days = [f"2024-01-{1 + i // 4:02d}" for i in range(100)]
    rows = rows_of_a_file(visited=days, patient=[f"p{i // 4}" for i in range(100)])
    rows["test"].loc[0, "visited"] = None
    found = [f.what for f in nodes.measure_cells(**rows, table=TABLE).findings if "training rows also have" in f.what]
    assert len(found) == 2, "in two splits"
    assert all("'patient'" in what for what in found)


def test_empty_cells_of_a_file() -> None:
    rows = rows_of_a_file()
    rows["test"].loc[:39, "half"] = None
    for frame in rows.values():
        frame.loc[:69, "most"] = None
    report = nodes.measure_cells(**rows, table=TABLE)
    assert report.facts == {
        "half": {"train": 0, "validation": 0, "test": pytest.approx(0.4)},
        "most": dict.fromkeys(planted.SPLITS, pytest.approx(0.7)),
    }
    assert [(f.split, f.what, f.count) for f in report.findings] == [
        ("test", "40.0% of the cells of column 'half' are empty, and 0.0% in training", 40),
        ("train", "70.0% of the cells of column 'most' are empty", 70),
    ]
