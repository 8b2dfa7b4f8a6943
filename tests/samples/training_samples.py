"""A small learnable table, an architecture for it, and settings for its full training."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.parameters import TrainingParameters


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
        "accelerator": "cpu",
    }
    return TrainingParameters.model_validate({**settings, **changes})
