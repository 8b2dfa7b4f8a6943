"""The multi-head loss against numpy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from block_cases import noise

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.multimodal import FUSED
from mixmas_pipeline.training.loss import balancing_weights, fusion_weight, multi_head_loss, task_loss

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    losses = [math.log(sum(math.exp(v) for v in row)) - row[c] for row, c in zip(logits, labels, strict=True)]
    return sum(losses) / len(losses)


def binary_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    probabilities = [1 / (1 + math.exp(-v)) for v in logits.ravel()]
    pairs = zip(probabilities, labels.ravel(), strict=True)
    return sum(-math.log(p if label else 1 - p) for p, label in pairs) / logits.size


REFERENCE = {"multiclass": cross_entropy, "multilabel": binary_cross_entropy}


def labels_of(task: str, dtype: torch.dtype) -> torch.Tensor:
    if task == "multiclass":
        return torch.tensor([2, 0, 1, 1, 2]).to(dtype)
    return (noise(5, 3, seed=4) > 0).to(dtype)


@pytest.mark.parametrize("task", REFERENCE)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_task_loss(task: str, dtype: torch.dtype) -> None:
    logits, labels = noise(5, 3) * 3, labels_of(task, dtype)
    expected = REFERENCE[task](logits.numpy(), labels.numpy())
    assert task_loss(logits, labels, task).item() == pytest.approx(expected)


@pytest.mark.parametrize("task", REFERENCE)
@pytest.mark.parametrize("modalities", [2, 3, 5])
@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_multi_head_loss(task: str, modalities: int, weight: float) -> None:
    labels = labels_of(task, torch.int64)
    heads = {name: noise(5, 3, seed=i) for i, name in enumerate([FUSED, *"abcde"[:modalities]])}
    losses = {name: REFERENCE[task](logits.numpy(), labels.numpy()) for name, logits in heads.items()}
    expected = weight * losses.pop(FUSED) + (1 - weight) * sum(losses.values()) / modalities
    assert multi_head_loss(heads, labels, task, weight).item() == pytest.approx(expected, rel=1e-5)


def test_balanced_classes_have_the_same_total_weight() -> None:
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 3])
    weights = balancing_weights(labels, 4, "multiclass")
    assert weights.tolist() == pytest.approx([9 / 24, 9 / 8, 1, 9 / 4])  # the absent class 2 keeps 1
    present = weights[[0, 1, 3]] * torch.tensor([6, 2, 1])
    assert present.tolist() == pytest.approx([9 / 4] * 3)


def test_balanced_labels_weigh_the_same_present_and_absent() -> None:
    labels = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
    weights = balancing_weights(labels, 3, "multilabel")
    assert weights.tolist() == pytest.approx([1 / 3, 3, 1])


@pytest.mark.parametrize("task", REFERENCE)
def test_class_weights_in_the_loss_by_hand(task: str) -> None:
    logits, labels, weights = noise(5, 3), labels_of(task, torch.int64), torch.tensor([0.5, 2.0, 3.0])
    if task == "multiclass":
        losses = [cross_entropy(logits[i : i + 1].numpy(), labels[i : i + 1].numpy()) for i in range(5)]
        shares = weights[labels].numpy()
        expected = float((losses * shares).sum() / shares.sum())
    else:
        p = 1 / (1 + np.exp(-logits.double().numpy()))
        truth = labels.numpy()
        expected = float(-(weights.numpy() * truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())
    assert task_loss(logits, labels, task, weights).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("modalities", [2, 4])
def test_at_first_every_head_weighs_the_same(modalities: int) -> None:
    labels = labels_of("multiclass", torch.int64)
    heads = {name: noise(5, 3, seed=i) for i, name in enumerate([FUSED, *"abcd"[:modalities]])}
    mean = np.mean([cross_entropy(logits.numpy(), labels.numpy()) for logits in heads.values()])
    loss = multi_head_loss(heads, labels, "multiclass", fusion_weight(modalities, 0, 0.1))
    assert loss.item() == pytest.approx(float(mean), rel=1e-5)


def test_fusion_weight_grows_by_a_step_an_epoch_up_to_one() -> None:
    growing = [fusion_weight(2, epoch, 0.25) for epoch in range(5)]
    assert growing == pytest.approx([1 / 3, 7 / 12, 10 / 12, 1, 1])
    assert [fusion_weight(3, epoch, 0.0) for epoch in (0, 1, 100)] == [0.25] * 3
    assert fusion_weight(1, 0, 0.0) == 0.5


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_probabilities_as_labels(balanced: bool, masked: bool) -> None:
    """Certain ones are the labels; for others each class's part has the class's weight."""
    logits, labels = noise(5, 3) * 3, torch.tensor([2, 0, 1, 1, 2])
    scale = torch.tensor([0.5, 1.0, 4.0]) if balanced else None
    counted = torch.tensor([True, False, True, True, False]) if masked else None
    certain = torch.eye(3)[labels]
    torch.testing.assert_close(
        task_loss(logits, certain, "multiclass", scale, counted),
        task_loss(logits, labels, "multiclass", scale, counted),
    )
    soft = (noise(5, 3, seed=7) * 2).softmax(dim=1)
    total, weights = 0.0, 0.0
    for row in range(5):
        for c in range(3):
            weight = soft[row, c].item() * (scale[c].item() if scale is not None else 1.0)
            weight *= 1.0 if counted is None or counted[row] else 0.0
            total -= weight * logits[row].log_softmax(0)[c].item()
            weights += weight
    found = task_loss(logits, soft, "multiclass", scale, counted)
    assert found.item() == pytest.approx(total / weights, rel=1e-5)
