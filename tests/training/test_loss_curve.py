"""The short curve of a trial's training loss, against means by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mixmas_pipeline.training.loss_curve import LossCurve


@pytest.mark.parametrize("steps", [1, 7, 40, 100, 83])
def test_points_are_means_of_all_steps_since_the_point_before(steps: int) -> None:
    losses = np.random.default_rng(steps).random(steps).astype(np.float32)
    curve = LossCurve(steps, "candidate", 0.1)
    for step, loss in enumerate(losses, start=1):
        curve.add(step, torch.tensor(loss))
    ends = [step for step, _ in curve.points]
    assert ends[-1] == steps
    assert len(ends) <= 80
    starts = [0, *ends[:-1]]
    by_hand = [losses[start:end].mean() for start, end in zip(starts, ends, strict=True)]
    assert [mean for _, mean in curve.points] == pytest.approx(by_hand, rel=1e-6)


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_change() -> None:
    curve = LossCurve(4, "candidate x, seed 3", 0.25)
    curve.add(1, torch.tensor(1.0))
    with pytest.raises(
        FloatingPointError, match=r"candidate x, seed 3: the training loss is inf at step 2; .*\(0\.25\)"
    ):
        curve.add(2, torch.tensor(torch.inf))
