"""The moving average of the weights by hand."""

from __future__ import annotations

import pytest
import torch

from mixmas_pipeline.training.averaging import AveragedWeights, decay_at


def test_decay_warms_up() -> None:
    assert [decay_at(step, 0.9) for step in (1, 2, 80, 81)] == pytest.approx([2 / 11, 3 / 12, 0.9, 0.9])
    assert decay_at(1000, 0.0) == 0


def test_average_by_hand() -> None:
    weights = [torch.tensor([1.0, -2.0], requires_grad=True), torch.full((2, 3), 4.0, requires_grad=True)]
    averages = AveragedWeights(weights, 0.3)
    by_hand = [weight.detach().clone() for weight in weights]
    for step in range(1, 6):
        with torch.no_grad():
            for weight in weights:
                weight += step
        averages.update(step)
        decay = min(0.3, (1 + step) / (10 + step))
        by_hand = [decay * a + (1 - decay) * w.detach() for a, w in zip(by_hand, weights, strict=True)]
    averages.install()
    for weight, expected in zip(weights, by_hand, strict=True):
        torch.testing.assert_close(weight.detach(), expected)
        assert weight.requires_grad


def test_without_a_decay_the_weights_stay() -> None:
    weight = torch.tensor([1.0])
    averages = AveragedWeights([weight], 0.0)
    weight += 1
    averages.update(1)
    averages.install()
    assert weight.item() == 2


def test_averages_are_held_in_the_tensors_that_are_handed_over() -> None:
    weight, held = torch.tensor([3.0]), torch.tensor([1.0])
    AveragedWeights([weight], 0.5, [held]).update(1)
    assert held.item() == pytest.approx(2 / 11 * 1 + 9 / 11 * 3)
