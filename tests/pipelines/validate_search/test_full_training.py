"""Full training of a combination: scores and halves by hand, and a loss that becomes infinite."""

from __future__ import annotations

import numpy as np
import pytest
from search_samples import brightness_table, proposal

from mixmas_pipeline.pipelines.validate_search.full_training import train_fully
from mixmas_pipeline.pipelines.validate_search.parameters import TruthParameters
from mixmas_pipeline.pipelines.validate_search.results import Combination

TRUTH = TruthParameters(rows=20, epochs=2, seeds=(4, 5), learning_rate=0.05, batch_size=10, device="cpu")


@pytest.fixture(scope="module")
def combination() -> Combination:
    candidate = proposal(brightness_table(8), {"block": "mlp_mixer", "channel_dim": 4})
    return Combination(**dict(candidate), choice={"x": "c"})


def test_a_score_per_seed_and_half(combination: Combination) -> None:
    """Of an even number of examples accuracy is the mean of those on both halves."""
    result = train_fully(combination, brightness_table(20), brightness_table(16, seed=1), TRUTH, "accuracy")
    assert len(result.scores) == len(result.halves) == 2
    np.testing.assert_allclose(result.scores, np.mean(result.halves, axis=1))
    assert result.flops == pytest.approx(3 * 2 * 20 * combination.flops)
    assert result.choice == {"x": "c"}


def test_a_loss_that_becomes_infinite_scores_zero(combination: Combination, caplog: pytest.LogCaptureFixture) -> None:
    truth = TRUTH.model_copy(update={"learning_rate": 1e30, "clip_norm": 1e30})
    result = train_fully(combination, brightness_table(20), brightness_table(16, seed=1), truth, "accuracy")
    assert (result.scores, result.halves, result.seconds) == ((0.0, 0.0), ((0.0, 0.0), (0.0, 0.0)), 0.0)
    assert "seed 4" in caplog.text
    assert "counts as 0" in caplog.text
