"""Whatever is in the validation and test rows, what is fitted on the training rows is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted import planted
from reference_samples import QUICK

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.reference import nodes
from mixmas_pipeline.pipelines.reference.pipeline import create_pipeline

NAMES = ("facts", "pulse")
TRAIN = planted("binary", NAMES, 80, 0)


def renamed(table: MultimodalTable, prefix: str) -> MultimodalTable:
    return MultimodalTable(table.schema, table.arrays, table.labels, [f"{prefix}{i}" for i in range(len(table))])


def weights(models: list[Any]) -> list[np.ndarray]:
    return [tensor.numpy() for model in models for tensor in model.state_dict().values()]


@pytest.mark.parametrize(
    ("fit", "refit"), [(nodes.fit_linear, nodes.refit_linear), (nodes.fit_trees, nodes.refit_trees)]
)
def test_only_the_refitted_models_see_the_validation_split(fit: Any, refit: Any) -> None:
    first, second = (renamed(planted("binary", NAMES, 40, seed), "v") for seed in (1, 2))
    one, two = (refit(TRAIN, validation, QUICK, "none", "accuracy") for validation in (first, second))
    assert one[0].architecture.rows == 120
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(weights(one), weights(two), strict=True))
    assert fit(TRAIN, QUICK, "none", "accuracy")[0].architecture.rows == 80


def test_test_rows_change_their_own_scores_only() -> None:
    validation = renamed(planted("binary", NAMES, 40, 1), "v")
    models = {
        "linear": nodes.fit_linear(TRAIN, QUICK, "none", "accuracy"),
        "linear_refitted": nodes.refit_linear(TRAIN, validation, QUICK, "none", "accuracy"),
    }
    frames = [
        nodes.score_references(validation, planted("binary", NAMES, 50, seed), QUICK, "accuracy", **models)[0]
        for seed in (2, 3)
    ]
    same = ["model", "modalities", "validation", "validation_error", "rows", "features", "parameters"]
    assert frames[0][same].equals(frames[1][same])
    assert not frames[0]["auroc"].equals(frames[1]["auroc"])


def test_the_graph_gives_each_fit_its_splits_only() -> None:
    graph = {node.name: set(node.inputs) for node in create_pipeline("pets", ("linear", "trees")).nodes}
    settings = {"params:pets.reference", "params:pets.training.balance", "params:pets.training.metric"}
    for kind in ("linear", "trees"):
        assert graph[f"reference.fit_{kind}"] == {"pets.train"} | settings
        assert graph[f"reference.refit_{kind}"] == {"pets.train", "pets.validation"} | settings
    assert not create_pipeline("pets", ()).nodes
    assert [n.name for n in create_pipeline("pets", ("trees",)).nodes] == [
        "reference.fit_trees",
        "reference.refit_trees",
        "reference.score_references",
    ]
