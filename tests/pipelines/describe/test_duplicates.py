"""Duplicates equal those of a comparison of all pairs of rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.describe import duplicates


def test_duplicates_are_those_of_a_comparison_of_all_pairs() -> None:
    """Few distinct values make many duplicates, some with other labels. A missing modality is not a value."""
    rng = np.random.default_rng(0)
    modalities = {"a": Modality("tabular", (2,), "int16", optional=True), "b": Modality("tabular", (1,), "int16")}
    schema = TableSchema(modalities, "multilabel", ("x", "y"))
    splits = {}
    for split, rows in (("train", 60), ("validation", 25), ("test", 30)):
        there = rng.random(rows) < 0.8
        arrays = {
            "a": rng.integers(0, 4, (rows, 2)).astype(np.int16) * there[:, None],
            "b": rng.integers(0, 9, (rows, 1), np.int16),
        }
        labels = rng.integers(0, 2, (rows, 2))
        splits[split] = MultimodalTable(
            schema, arrays, labels, [f"{split}{i}" for i in range(rows)], present={"a": there}
        )
    facts, _ = duplicates.find_duplicates(splits)

    def rows_of(split: str, name: str) -> list[tuple[Any, tuple[int, ...]]]:
        table, rows = splits[split], []
        for i in range(len(table)):
            a = tuple(table.arrays["a"][i]) if table.present["a"][i] else None
            value = {"": (a, tuple(table.arrays["b"][i])), "a": a, "b": tuple(table.arrays["b"][i])}[name]
            if value is not None:
                rows.append((value, tuple(table.labels[i])))
        return rows

    for name in ("", "a", "b"):
        own = facts.values[name]
        everything = [row for split in splits for row in rows_of(split, name)]
        for split in splits:
            values = [value for value, _ in rows_of(split, name)]
            assert own.within[split] == sum(value in values[:i] for i, value in enumerate(values))
        for early, late in itertools.combinations(splits, 2):
            earlier = [value for value, _ in rows_of(early, name)]
            assert own.across[f"{late}, {early}"] == sum(value in earlier for value, _ in rows_of(late, name))
        conflicts = [any(v == value and o != labels for v, o in everything) for value, labels in everything]
        assert own.conflicting == sum(conflicts)
