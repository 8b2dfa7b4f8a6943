"""Mixup and smoothed labels by hand."""

from __future__ import annotations

import pytest
import torch

from mixmas_pipeline.models.architecture import Input
from mixmas_pipeline.training.mixup import blend, soft_targets

PARTNERS = torch.tensor([2, 0, 1, 3])
GIVEN = {
    "image": Input(shape=(2, 2), mean=0.0, std=1.0),
    "series": Input(shape=(3, 2), mean=0.0, std=1.0, padded=True),
}


def batch() -> dict[str, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (4, 2, 2), generator=draws, dtype=torch.uint8)
    return {"image": image, "series": torch.randn((4, 3, 2), generator=draws)}


def test_inputs_and_targets_by_hand() -> None:
    inputs, targets = batch(), torch.eye(4)
    mixed, blended = blend(inputs, targets, {}, GIVEN, 0.3, PARTNERS)
    for row, partner in enumerate(PARTNERS.tolist()):
        for name, x in inputs.items():
            torch.testing.assert_close(mixed[name][row], 0.3 * x[row].float() + 0.7 * x[partner].float())
        torch.testing.assert_close(blended[row], 0.3 * targets[row] + 0.7 * targets[partner])
    assert blended[3].tolist() == [0, 0, 0, 1], "an example that is its own partner stays"


def test_only_examples_with_the_same_modalities_are_blended() -> None:
    inputs, targets = batch(), torch.eye(4)
    present = {"image": torch.tensor([True, False, True, True])}
    mixed, blended = blend(inputs, targets, present, GIVEN, 0.3, PARTNERS)
    for row in (1, 2):  # their partners differ
        assert torch.equal(mixed["image"][row], inputs["image"][row].float())
        assert torch.equal(mixed["series"][row], inputs["series"][row])
        assert torch.equal(blended[row], targets[row])
    torch.testing.assert_close(blended[0], 0.3 * targets[0] + 0.7 * targets[2])


def test_steps_that_one_of_both_lacks_stay() -> None:
    inputs = batch()
    inputs["series"][0, 2] = 0
    inputs["series"][1, 1:] = 0
    mixed, _ = blend(inputs, torch.eye(4), {}, GIVEN, 0.5, PARTNERS)
    series = inputs["series"]
    assert torch.equal((mixed["series"] != 0).any(-1), (series != 0).any(-1)), "padding stays padding"
    torch.testing.assert_close(mixed["series"][0, :2], (series[0, :2] + series[2, :2]) / 2)
    torch.testing.assert_close(mixed["series"][2, 0], (series[2, 0] + series[1, 0]) / 2)
    assert torch.equal(mixed["series"][2, 1:], series[2, 1:])


def test_steps_that_cancel_out_do_not_become_padding() -> None:
    inputs = batch()
    inputs["series"][0] = -inputs["series"][2]
    mixed, _ = blend(inputs, torch.eye(4), {}, GIVEN, 0.5, PARTNERS)
    assert (mixed["series"][0] != 0).any(-1).all()


@pytest.mark.parametrize("task", ["multiclass", "binary"])
def test_smoothed_classes(task: str) -> None:
    smooth = soft_targets(torch.tensor([1, 0], dtype=torch.uint8), task, 2, 0.2)
    torch.testing.assert_close(smooth, torch.tensor([[0.1, 0.9], [0.9, 0.1]]))


def test_smoothed_labels_and_targets() -> None:
    labels = torch.tensor([[1, 0, 1]], dtype=torch.uint8)
    torch.testing.assert_close(soft_targets(labels, "multilabel", 3, 0.2), torch.tensor([[0.9, 0.1, 0.9]]))
    numbers = torch.tensor([[1.5, -7.0]])
    assert torch.equal(soft_targets(numbers, "regression", 2, 0.2), numbers)
