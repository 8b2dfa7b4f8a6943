"""The comparison is fair: the same splits, budget and tuning for all; test is read once, by nothing that chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from compare_samples import TRAIN, TRAINING, VALIDATION, tuned_to

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.compare import nodes
from mixmas_pipeline.pipelines.compare.results import Contender
from mixmas_pipeline.training.resumable import ResumableTrainings


def test_every_training_gets_the_same_splits_and_settings_and_never_the_test_split(
    contenders: dict[str, Contender], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the contender: the same rows of the same tables, the same budget; only rate and seed differ."""
    calls: list[tuple[Any, ...]] = []

    def fit(self: ResumableTrainings, architecture: Architecture, train: Any, validation: Any, settings: Any) -> Any:
        frozen = settings.model_copy(update={"learning_rate": 1.0, "seed": 0})
        calls.append((id(train), id(validation), frozen, settings.learning_rate, settings.seed))
        history = pd.DataFrame({"validation_f1_weighted_fused": [0.5], "seconds": [1.0]})
        return object(), history

    monkeypatch.setattr(ResumableTrainings, "fit", fit)
    for contender in contenders.values():
        arguments = (TRAIN, VALIDATION, TRAINING)
        nodes.tune(contender, *arguments, [0.02, 0.001], 9, str(tmp_path))
        nodes.train_seeds(contender, tuned_to(0.5), *arguments, [0, 1, 2], str(tmp_path))
    first = calls[:5]
    assert [(rate, seed) for *_, rate, seed in first] == [(0.001, 9), (0.02, 9), (0.5, 0), (0.5, 1), (0.5, 2)]
    assert all((tables, validation) == (id(TRAIN), id(VALIDATION)) for tables, validation, *_ in first)
    assert calls == first * len(contenders)
