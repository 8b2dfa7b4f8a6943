"""Small tables whose labels can be learnt, and an architecture for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture

CLASSES = ("a", "b", "c")


@pytest.fixture
def make_table() -> Callable[..., MultimodalTable]:
    """Makes tables of an image and a sequence; each class adds its own pattern to both."""

    def make(rows: int = 60, task: str = "multiclass", seed: int = 0, signal: float = 1.0) -> MultimodalTable:
        patterns = np.random.default_rng(99)
        images, steps = patterns.normal(size=(3, 6, 6)), patterns.normal(size=(3, 5, 3))
        rng = np.random.default_rng(seed)
        if task == "multilabel":
            labels = (rng.random((rows, 3)) < 0.5).astype(np.uint8)
            present = labels.astype(float)
        else:
            labels = rng.permutation(np.arange(rows) % 3).astype(np.uint8)
            present = np.eye(3)[labels]
        image = 128 + 40 * (signal * np.tensordot(present, images, 1) + 0.3 * rng.normal(size=(rows, 6, 6)))
        series = signal * np.tensordot(present, steps, 1) + 0.3 * rng.normal(size=(rows, 5, 3))
        schema = TableSchema(
            {
                "image": Modality("image", (6, 6), "uint8"),
                "series": Modality("time_series", (5, 3), "float32"),
            },
            task,
            CLASSES,
        )
        arrays = {"image": image.clip(0, 255).astype(np.uint8), "series": series.astype(np.float32)}
        return MultimodalTable(schema, arrays, labels, [f"row-{i}" for i in range(rows)])

    return make


@pytest.fixture
def make_architecture() -> Callable[..., Architecture]:
    """Makes two-modality architectures; one modality where only that is named."""

    def make(
        image: str = "mlp_mixer",
        series: str = "mlp_mixer",
        network: str = "mlp_mixer",
        function: str = "concat",
        task: str = "multiclass",
        dropout: float = 0.0,
        modalities: tuple[str, ...] = ("image", "series"),
    ) -> Architecture:
        def block(name: str) -> dict[str, Any]:
            return {"block": name, "channel_dim": 16, "dropout": dropout}

        patches = {"type": "patches", "patch": 3}
        projection = {"type": "projection"}
        inputs = {
            "image": {"shape": (6, 6), "mean": 128.0, "std": 40.0},
            "series": {"shape": (5, 3), "mean": 0.0, "std": 1.0},
        }
        encoders = {
            "image": {"tokeniser": patches, "hidden_dim": 8, "depth": 1, "block": block(image)},
            "series": {"tokeniser": projection, "hidden_dim": 8, "depth": 1, "block": block(series)},
        }
        fusion = {"function": function, "network": {"depth": 1, "block": block(network)}}
        return Architecture.model_validate(
            {
                "task": task,
                "classes": CLASSES,
                "inputs": {name: inputs[name] for name in modalities},
                "encoders": {name: encoders[name] for name in modalities},
                "fusion": fusion if len(modalities) > 1 else None,
            }
        )

    return make
