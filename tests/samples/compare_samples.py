"""Splits, settings and architectures of a small comparison."""

from __future__ import annotations

from typing import Any

from planted_films import table

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.pipelines.compare.results import TuningResult
from mixmas_pipeline.training.parameters import TrainingParameters

TRAIN, VALIDATION, TEST = table(120, 0), table(60, 1), table(80, 2)
TRAINING = TrainingParameters(seed=0, max_epochs=3, patience=3, metric="f1_weighted", learning_rate=0.01, device="cpu")
COMPARE = CompareParameters(
    baseline="m2_mixer_avmnist", learning_rates=(0.001, 0.02), tuning_seed=9, seeds=(0, 1, 2), resamples=60
)


def preset(function: str = "concat", block: str = "mlp_mixer") -> dict[str, Any]:
    def encoder(tokeniser: dict[str, Any]) -> dict[str, Any]:
        return {"tokeniser": tokeniser, "hidden_dim": 8, "depth": 1, "block": {"block": block, "channel_dim": 16}}

    patches = {"type": "patches", "patch": 4}
    return {
        "encoders": {"poster": encoder(patches), "plot": encoder({"type": "projection"}), "sound": encoder(patches)},
        "fusion": {"function": function, "network": {"depth": 1, "block": {"block": block, "channel_dim": 16}}},
    }


def searched() -> Architecture:
    inputs = {n: {"shape": m.shape, "mean": 0.0, "std": 1.0} for n, m in TRAIN.schema.modalities.items()}
    architecture = {
        "task": "multilabel",
        "classes": TRAIN.schema.classes,
        "inputs": inputs,
        **preset("max", "hyper_mixer"),
    }
    return Architecture.model_validate(architecture)


def tuned_to(rate: float) -> TuningResult:
    return TuningResult(contender="any", learning_rate=rate, at_edge=False, trials=())
