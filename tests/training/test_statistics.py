"""Statistics of inputs and targets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from training_samples import lacking

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.statistics import input_statistics, target_statistics

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


@pytest.mark.parametrize("modality", ["image", "series"])
def test_statistics_are_of_the_rows_that_have_it(make_table: MakeTable, modality: str) -> None:
    table = lacking(make_table(60))
    there = table.arrays[modality][table.present[modality]].astype(float)
    found = input_statistics(table, modality)
    assert found.optional
    assert found.mean == pytest.approx(there.mean())
    assert found.std == pytest.approx(there.std())
    table.present[modality][:] = False
    with pytest.raises(ValueError, match=f"modality '{modality}' is missing in all 60 rows"):
        input_statistics(table, modality)


def test_a_target_without_variation_is_named() -> None:
    labels = np.stack([np.arange(20.0), np.full(20, 3.5)], axis=1)
    schema = TableSchema({"x": Modality("tabular", (1,), "float32")}, "regression", ("price", "drift"))
    data = MultimodalTable(schema, {"x": np.zeros((20, 1), np.float32)}, labels, list(map(str, range(20))))
    with pytest.raises(ValueError, match=r"target 'drift' is 3.5 in all 20 rows"):
        target_statistics(data)


def test_target_statistics_are_those_of_the_labels() -> None:
    labels = np.random.default_rng(0).normal(5, 3, size=(30, 2))
    schema = TableSchema({"x": Modality("tabular", (1,), "float32")}, "regression", ("price", "drift"))
    data = MultimodalTable(schema, {"x": np.zeros((30, 1), np.float32)}, labels, list(map(str, range(30))))
    found = target_statistics(data)
    assert found is not None
    assert found.mean == pytest.approx([sum(column) / 30 for column in labels.T])
    assert found.std == pytest.approx(np.sqrt(((labels - labels.mean(axis=0)) ** 2).mean(axis=0)))
