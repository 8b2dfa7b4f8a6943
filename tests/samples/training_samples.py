"""Tables, architectures and settings for tests of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters
from mixmas_pipeline.training.trial import Trial

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]

CPU = torch.device("cpu")
BUDGET = BudgetParameters.model_validate(
    {
        "learning_rate": 1e-2,
        "batch_size": 16,
        "steps": 60,
        "extended_steps": 60,
        "seeds": (0, 1),
        "device": "cpu",
        "recipe": "published",
    }
)
CANDIDATES = [
    ("mlp_mixer", "mlp_mixer", "mlp_mixer"),
    ("hyper_mixer", "hyper_mixer", "hyper_mixer"),
    ("ramlp", "monarch_mixer", "monarch_mixer"),
]


def table(rows: int, seed: int, noise: float = 1.0) -> MultimodalTable:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, rows)
    arrays = {
        "picture": (labels[:, None, None] + noise * rng.normal(size=(rows, 4, 4))).astype(np.float32),
        "series": (labels[:, None, None] + noise * rng.normal(size=(rows, 5, 2))).astype(np.float32),
    }
    modalities = {
        "picture": Modality("image", (4, 4), "float32"),
        "series": Modality("time_series", (5, 2), "float32"),
    }
    schema = TableSchema(modalities, "multiclass", ("a", "b", "c"))
    return MultimodalTable(schema, arrays, labels, [f"{seed}-{i}" for i in range(rows)])


def architecture(dropout: float = 0.2) -> Architecture:
    block = {"block": "mlp_mixer", "token_dim": 4, "channel_dim": 8, "dropout": dropout}
    return Architecture.model_validate(
        {
            "task": "multiclass",
            "classes": ["a", "b", "c"],
            "inputs": {n: {"shape": s, "mean": 1, "std": 1} for n, s in (("picture", (4, 4)), ("series", (5, 2)))},
            "encoders": {
                "picture": {
                    "tokeniser": {"type": "patches", "patch": 2},
                    "hidden_dim": 6,
                    "depth": 1,
                    "block": block,
                },
                "series": {"tokeniser": {"type": "projection"}, "hidden_dim": 6, "depth": 1, "block": block},
            },
            "fusion": {"function": "mean", "network": {"depth": 1, "block": block}},
        }
    )


def parameters(**changes: Any) -> TrainingParameters:
    settings = {
        "seed": 3,
        "max_epochs": 5,
        "patience": 5,
        "metric": "accuracy",
        "batch_size": 16,
        "learning_rate": 0.01,
        "device": "cpu",
        "recipe": "published",
    }
    return TrainingParameters.model_validate({**settings, **changes})


def lacking(table: MultimodalTable, image: float = 0.4, series: float = 0.3, seed: int = 5) -> MultimodalTable:
    """The table, some of whose rows lack a modality, but none both."""
    rng = np.random.default_rng(seed)
    present = {"image": rng.random(len(table)) >= image, "series": rng.random(len(table)) >= series}
    present["image"] |= ~present["series"]
    arrays = {name: array.copy() for name, array in table.arrays.items()}
    for name, there in present.items():
        arrays[name][~there] = 0
    modalities = {n: Modality(m.kind, m.shape, m.dtype, optional=True) for n, m in table.schema.modalities.items()}
    schema = TableSchema(modalities, table.schema.task, table.schema.classes)
    return MultimodalTable(schema, arrays, table.labels, table.ids, present=present)


def settings_of(**changes: Any) -> TrainingParameters:
    given_ = {"seed": 3, "max_epochs": 3, "patience": 3, "metric": "accuracy", "batch_size": 16, "learning_rate": 0.01}
    return TrainingParameters.model_validate({**given_, "device": "cpu", "recipe": "published", **changes})


def assert_same(first: Trial, second: Trial) -> None:
    assert first.losses == second.losses
    assert first.score == second.score
    np.testing.assert_array_equal(first.predicted, second.predicted)
