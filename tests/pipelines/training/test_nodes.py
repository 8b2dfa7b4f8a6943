"""The node of full training: statistics of the training split, a history row per epoch, errors that name the row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planted_films import space, table
from search_samples import brightness_table, proposal

from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.parameters import (
    MatchParameters,
)
from mixmas_pipeline.pipelines.training import nodes as training
from mixmas_pipeline.training.parameters import TrainingParameters


def test_training_names_the_row_with_a_nan(tmp_path: Path) -> None:
    data = table(60, 5)
    data.arrays["plot"][7, 0, 0] = np.nan
    settings = TrainingParameters(seed=0, max_epochs=1, patience=1, metric="f1_weighted", learning_rate=0.01)
    stage = space().encoders["plot"]
    sample = table(60, 6)
    proposed = nodes.propose_encoders(
        sample, {name: s.model_dump() for name, s in space().encoders.items()}, MatchParameters(tolerance=0.3)
    )[f"plot.{stage.reference}"]
    with pytest.raises(ValueError, match=r"column 'plot', row 7 \(id 5-7\): NaN"):
        training.train_model(proposed.architecture, data, table(30, 8), settings, tmp_path)


def test_inputs_are_standardised_with_the_training_splits_statistics(tmp_path: Path) -> None:
    """Not with those of the search's sample, which the architecture comes with."""
    train, validation = brightness_table(24, seed=3), brightness_table(12, seed=4)
    start = proposal(brightness_table(8), {"block": "mlp_mixer", "channel_dim": 4}).architecture
    settings = TrainingParameters(
        max_epochs=2,
        patience=2,
        metric="accuracy",
        learning_rate=0.01,
        device="cpu",
        batch_size=8,
        deploy="single",
        refit=False,
    )
    model, history, held_out = training.train_model(start, train, validation, settings, str(tmp_path))
    found, values = model.architecture.inputs["x"], train.arrays["x"].astype(float)
    assert (found.mean, found.std) == pytest.approx((values.mean(), values.std()), rel=1e-4)
    assert found.mean != pytest.approx(start.inputs["x"].mean, rel=1e-4)
    assert len(history) == 2
    assert held_out["rows"].tolist() == list(range(24, 36))
    assert history["validation_accuracy_fused"].between(0, 1).all()


def test_a_damaged_validation_split_is_refused_too(tmp_path: Path) -> None:
    train, validation = brightness_table(8), brightness_table(6)
    validation.arrays["x"][2, 0, 0] = np.inf
    start = proposal(train, {"block": "mlp_mixer", "channel_dim": 4}).architecture
    settings = TrainingParameters(max_epochs=1, patience=1, metric="accuracy", learning_rate=0.01, device="cpu")
    with pytest.raises(ValueError, match=r"column 'x', row 2 \(id r2\): "):
        training.train_model(start, train, validation, settings, str(tmp_path))
    assert not list(tmp_path.iterdir()), "no training has begun"
    with pytest.raises(ValueError, match=r"column 'x', row 2 \(id r2\): "):
        training.divide(start, train, validation, settings)
