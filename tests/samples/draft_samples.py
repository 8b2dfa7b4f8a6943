"""Tables to draft from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

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


def lay_out_pets(folder: Path, rows: int = 300) -> None:
    """The table and the pictures of docs/draft.md."""
    rng = np.random.default_rng(0)
    outcome = rng.choice(["well", "well", "ill"], rows)
    frame = pd.DataFrame(
        {
            "name": [f"pet{i}" for i in range(rows)],
            "owner_id": [f"o{i // 2}" for i in range(rows)],
            "photo": [f"pet{i}.jpg" if i % 10 else None for i in range(rows)],
            "age": rng.normal(8, 3, rows).round(1),
            "weight": rng.normal(20, 5, rows).round(1),
            "breed": rng.choice(["beagle", "collie", "poodle"], rows),
            "legs": 4,
            "price": [f"${price:,}" for price in rng.integers(500, 5000, rows)],
            "born": pd.date_range("2015-01-01", periods=rows).strftime("%Y-%m-%d"),
            "discharge": np.where(outcome == "ill", "clinic", "home"),
            **{f"hr_{i}": of for i, of in enumerate(80 + rng.normal(0, 3, (rows, 24)).cumsum(axis=1).T.round(1))},
            "outcome": outcome,
        }
    )
    frame.to_csv(folder / "pets.csv", index=False)
    (folder / "photos").mkdir()
    for name in frame["photo"].dropna():
        colour = tuple(rng.integers(0, 256, 3).tolist())
        Image.new("RGB", (120, 90), colour).save(folder / "photos" / name)


def drafted_block(project: Path) -> str:
    """What ``kedro draft`` has written into a project, without the lines around it."""
    text = (project / "conf/local/parameters.yml").read_text()
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
