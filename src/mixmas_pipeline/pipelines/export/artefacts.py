"""What the newest search, training and evaluation left, and a check that it belongs together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import pandas as pd
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.record import Provenance
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import FUSED, Architecture
from mixmas_pipeline.models.ensemble import Model
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.search.results import SamplingReport
from mixmas_pipeline.training.inference import compute_logits

# Without a record the score is computed again, maybe on another machine: rounding may change a prediction or two.
_SAME_SCORE = 0.01
_REMEDY = "expected the results of one run: kedro run --pipelines=training (with the same --env)"


@dataclass(frozen=True)
class Artefacts:
    """The newest results of each pipeline.

    Attributes:
        sampling, architecture, leaderboard: of the search.
        history: of the training, one row per epoch.
        metrics: split -> metric -> score.
        thresholds: for a multilabel task, class -> probability above which it is predicted.
        predictions: of the test split.
        patterns: test scores by the modalities that are present.
        record: how the model was made; None if it is not recorded.
        metrics_record, thresholds_record, predictions_record, patterns_record: how these results were made.
    """

    sampling: SamplingReport
    architecture: Architecture
    leaderboard: pd.DataFrame
    history: pd.DataFrame
    metrics: dict[str, dict[str, float]]
    thresholds: dict[str, float]
    predictions: pd.DataFrame
    patterns: pd.DataFrame
    record: Provenance | None
    metrics_record: Provenance | None
    thresholds_record: Provenance | None
    predictions_record: Provenance | None
    patterns_record: Provenance | None

    @classmethod
    def among(cls, inputs: Mapping[str, Any]) -> Self:
        """Those among the inputs of a node."""
        return cls(**{field.name: inputs[field.name] for field in fields(cls)})

    @property
    def measured(self) -> dict[str, Provenance | None]:
        """Results that were measured on the model -> how they were made."""
        return {
            "metrics": self.metrics_record,
            "thresholds": self.thresholds_record,
            "predictions": self.predictions_record,
            "patterns": self.patterns_record,
        }


def check_same_training(model: Model, validation: MultimodalTable, artefacts: Artefacts) -> None:
    """Refuse a search, a model and scores that do not belong together. Each is the newest version, and a run may have
    ended between them.

    Raises:
        ValueError: the search chose another architecture than the model's; results were measured on another model; or,
            without a record, a single model's score on the validation split differs from the recorded one. (The members
            of an ensemble were trained on those rows, so that its score cannot be computed again.)
    """
    for part in ("task", "classes", "encoders", "fusion"):
        if getattr(artefacts.architecture, part) != getattr(model.architecture, part):
            raise ValueError(f"the newest search chose another architecture than the model's (its {part}); {_REMEDY}")
    record = artefacts.record
    for name, measured in artefacts.measured.items():
        if record and measured and not measured.uses(record):
            raise ValueError(f"the newest {name} are not of the newest model (run {record.run}); {_REMEDY}")
    if isinstance(model, MultimodalMixer) and not (record and all(artefacts.measured.values())):
        _check_score(model, validation, artefacts.metrics)


def _check_score(model: Model, validation: MultimodalTable, metrics: dict[str, dict[str, float]]) -> None:
    task = task_of(model.architecture.task)
    logits = compute_logits(model, validation, torch.device("cpu"))[FUSED]
    actual = score(task.headline, validation.labels, task.predict(logits), len(model.architecture.classes))
    expected = metrics["validation"][task.headline]
    if not abs(actual - expected) <= _SAME_SCORE:
        raise ValueError(
            f"the newest scores are not of the newest model: its {task.headline} on the validation split is "
            f"{actual:.4f}; the metrics have {expected:.4f}; {_REMEDY}"
        )
