"""A small report of an export, and results of a search and a training for it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mixmas_pipeline.datasets.record import MadeFrom, Provenance
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.export.artefacts import Artefacts
from mixmas_pipeline.pipelines.export.results import ExportReport
from mixmas_pipeline.pipelines.search.results import SampleReport, SamplingReport

REPORT = {
    "model": "searched",
    "parameters": 1234567,
    "flops_per_example": 2000,
    "one_network": None,
    "files": {"model.pt2": 10, "config.json": 5},
    "differences": {"torch_export": {"1": 0.0, "33": 0.000123}},
    "tolerance": 0.001,
    "latency": [{"form": "torch", "examples": 1, "median_ms": 0.5, "p90_ms": 0.75, "calls": 100}],
    "threads": 1,
    "machine": {"cpu": "a processor", "cores": None, "system": "Linux"},
    "versions": {"torch": "2.0"},
}


def report() -> ExportReport:
    return ExportReport.model_validate(REPORT)


def record(dataset: str, **made_from: Any) -> Provenance:
    """Of a data set whose content has the hash "content of" and its name."""
    return Provenance(dataset=dataset, run="r1", content=f"content of {dataset}", fingerprint=MadeFrom(**made_from))


def artefacts(architecture: Architecture, **changes: Any) -> Artefacts:
    """All recorded, and of one training."""
    sample = SampleReport(rows=4, worst_imbalance=0.0, worst_class="a", classes={"a": 3, "b": 1})
    candidate = {"stage": "image", "mean": 0.5, "spread": 0.125, "seed_0": 0.375, "seed_1": 0.625, "steps": 10}
    pattern = {"pattern": "image", "rows": 3, "score": 0.5, "rows_with_more": 4, "score_when_masked": 0.25}
    measured = record("metrics", inputs={"model": "content of model"})
    parts: dict[str, Any] = {
        "sampling": SamplingReport(source="", population=8, classes={"a": 6, "b": 2}, sample=sample, holdout=sample),
        "architecture": architecture,
        "leaderboard": pd.DataFrame(
            [
                {**candidate, "candidate": "first", "chosen": True},
                {**candidate, "candidate": "second", "chosen": False},
            ]
        ),
        "history": pd.DataFrame({"epoch": [0, 1]}),
        "metrics": {
            "validation": {"accuracy": 0.75},
            "test": {"accuracy": 0.625, "accuracy, image head alone": 0.5, "accuracy, most frequent class": 0.25},
        },
        "thresholds": {},
        "predictions": pd.DataFrame({"id": ["x", "y"]}),
        "patterns": pd.DataFrame([{**pattern, "metric": "accuracy", "trained_with_missing": False}]),
        "record": record("model", parameters={"films.training": '{"max_epochs": 2, "workers": null}'}),
        **dict.fromkeys(("metrics_record", "thresholds_record", "predictions_record", "patterns_record"), measured),
    }
    return Artefacts(**{**parts, **changes})
