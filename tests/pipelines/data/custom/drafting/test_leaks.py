"""Columns that have the label in other words, or from which it follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from draft_samples import animals, named_rows

from mixmas_pipeline.pipelines.data.custom.drafting.columns import examine_all
from mixmas_pipeline.pipelines.data.custom.drafting.leaks import find_leaks
from mixmas_pipeline.pipelines.data.custom.drafting.target import find_target

ROWS = 200
RNG = np.random.default_rng(0)
CLASSES = RNG.choice(["a", "b", "c"], ROWS)
TWO = RNG.choice(["no", "yes"], ROWS)
AMOUNTS = RNG.normal(size=ROWS)
GENRES = np.array(["x|y", "x", "y", "z"] * 50)


def leaks(label: Any, column: Any, rows: int = ROWS) -> dict[str, str]:
    frame = animals(ROWS, outcome=label, c=column).iloc[:rows]
    named = named_rows(frame)
    columns = [c for c in frame.columns if c not in ("outcome", "name")]
    return find_leaks(named, find_target(named, ("outcome",)), examine_all(named, columns))


@pytest.mark.parametrize(
    ("label", "column", "why"),
    [
        (TWO, np.where(TWO == "yes", "1", "0"), "the label in other words"),
        (CLASSES, [f"class {c}" for c in CLASSES], "the label in other words"),
        (AMOUNTS, AMOUNTS, "alone it tells the label (R2 1.000)"),
        (np.arange(ROWS) % 50 / 7, [f"n{i % 50}" for i in range(ROWS)], "the label in other words"),
        (CLASSES, [f"{c}{i % 3}" for i, c in enumerate(CLASSES)], "alone it tells the label (share of rows 1.000)"),
        (TWO, np.where(TWO == "yes", 5, 0) + RNG.uniform(0, 1, ROWS), "alone it tells the label (AUROC 1.000)"),
        (AMOUNTS, 3 - 2 * AMOUNTS + 1e-4 * RNG.normal(size=ROWS), "alone it tells the label (R2 1.000)"),
        (AMOUNTS, np.exp(AMOUNTS), "alone it tells the label (R2 1.000)"),
        (GENRES, [1 if "x" in cell else 0 for cell in GENRES], "alone it predicts label 'x'"),
    ],
)
def test_leaks(label: Any, column: Any, why: str) -> None:
    found = leaks(label, column)
    assert found.keys() == {"c"}
    assert why in found["c"]


@pytest.mark.parametrize(
    ("label", "column"),
    [
        (CLASSES, RNG.permutation(CLASSES)),
        (TWO, np.where(RNG.random(ROWS) < 0.1, "no", TWO)),
        (CLASSES, (CLASSES == "a") * 5 + RNG.uniform(0, 1, ROWS)),  # one class of three, as iris' setosa
        (AMOUNTS, AMOUNTS + 0.5 * RNG.normal(size=ROWS)),
        (CLASSES, [f"{c}{i}" for i, c in enumerate(CLASSES)]),  # a value per row tells nothing
    ],
)
def test_what_is_no_leak(label: Any, column: Any) -> None:
    assert leaks(label, column) == {}


def test_few_rows_agree_by_chance() -> None:
    assert leaks(TWO, TWO, rows=19) == {}
    assert leaks(TWO, TWO, rows=20) != {}
