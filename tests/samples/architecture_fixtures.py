"""A small two-modality architecture of an image and a sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mixmas_pipeline.models.architecture import Architecture

Build = Callable[..., Architecture]


@pytest.fixture
def build() -> Build:
    """Makes architectures; the arguments replace what differs from the default."""

    def make(
        task: str = "multiclass",
        image: str = "mlp_mixer",
        series: str = "mlp_mixer",
        network: str = "mlp_mixer",
        function: str = "concat",
        width: int = 10,
        modalities: tuple[str, ...] = ("image", "series"),
    ) -> Architecture:
        def block(name: str) -> dict[str, Any]:
            return {"block": name} if name in ("linear", "mlp") else {"block": name, "channel_dim": 12}

        inputs: dict[str, Any] = {
            "image": {"shape": (6, 6), "mean": 100.0, "std": 50.0},
            "series": {"shape": (5, 3), "mean": 0.5, "std": 2.0},
        }
        encoders: dict[str, Any] = {
            "image": {
                "tokeniser": {"type": "patches", "patch": 3},
                "hidden_dim": 8,
                "depth": 1,
                "block": block(image),
            },
            "series": {
                "tokeniser": {"type": "projection"},
                "hidden_dim": width,
                "depth": 1,
                "block": block(series),
            },
        }
        fusion = {"function": function, "network": {"depth": 1, "block": block(network)}}
        return Architecture.model_validate(
            {
                "task": task,
                "classes": ("a", "b", "c"),
                "inputs": {name: inputs[name] for name in modalities},
                "encoders": {name: encoders[name] for name in modalities},
                "fusion": fusion if len(modalities) > 1 else None,
            }
        )

    return make
