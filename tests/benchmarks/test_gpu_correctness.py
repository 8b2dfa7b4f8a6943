"""The checks of the kit for a GPU find what differs."""

from __future__ import annotations

import argparse
from types import ModuleType

import numpy as np
import pytest
import torch
from gpu_kit import load_script

TINY = argparse.Namespace(device="cpu", tiny=True)


@pytest.fixture(scope="module")
def correctness() -> ModuleType:
    return load_script("correctness")


def test_a_difference_is_relative_and_a_nan_is_infinite(correctness: ModuleType) -> None:
    reference = np.array([3.0, 4.0])
    assert correctness.difference(torch.tensor([3.0, 4.5]), reference) == pytest.approx(0.1)
    assert correctness.difference(reference, reference) == 0
    assert correctness.difference([float("nan"), 4.0], reference) == float("inf")
    assert correctness.difference([3.0, 4.0, 0.0], reference) == float("inf")
    assert correctness.difference([0.5], [0.0]) == 0.5


def test_findings_name_the_worst_and_what_failed(correctness: ModuleType) -> None:
    findings = correctness.Findings(0.1)
    assert not findings.result()["passed"], "nothing was compared"
    findings.compare("close", [1.0], [1.05])
    assert findings.result()["passed"]
    findings.compare("far", [1.0], [2.0])
    findings.compare("nan", [float("nan")], [2.0])
    result = findings.result(more=1)
    assert not result["passed"]
    assert (result["where"], result["failed"], result["comparisons"]) == ("nan", {"far": 0.5, "nan": float("inf")}, 3)
    assert result["more"] == 1


def test_a_planted_difference_of_a_block_is_found(correctness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a kernel of a GPU might be: off by one in a thousand."""
    assert correctness.blocks(TINY)["passed"]
    make, made = correctness.make, []

    def planted(name: str, grid: tuple[int, ...]) -> torch.nn.Module:
        block = make(name, grid)
        made.append(name)
        if name == "ramlp" and made.count("ramlp") % 2 == 0:  # the second one stands for the GPU's
            with torch.no_grad():
                for parameter in block.parameters():
                    parameter.mul_(1.001)
        return block

    monkeypatch.setattr(correctness, "make", planted)
    result = correctness.blocks(TINY)
    assert not result["passed"]
    assert all(what.startswith("ramlp") for what in result["failed"])


def test_a_planted_difference_of_the_loss_is_found(correctness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert correctness.loss(TINY)["passed"]
    task_loss, calls = correctness.task_loss, []

    def planted(logits: torch.Tensor, labels: torch.Tensor, task: str, *more: object) -> torch.Tensor:
        calls.append(task)
        off = 1e-3 if task == "multilabel" and calls.count(task) % 2 == 0 else 0.0
        return task_loss(logits, labels, task, *more) * (1 + off)

    monkeypatch.setattr(correctness, "task_loss", planted)
    result = correctness.loss(TINY)
    assert {what.partition(",")[0] for what in result["failed"]} == {"multilabel"}
    assert len(result["failed"]) == 6, "value and gradient, three times"


def test_seeds_as_one_model_and_a_repetition_agree_and_other_losses_do_not(
    correctness: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert correctness.stacked(TINY)["passed"]
    assert correctness.repeated(TINY)["bits"]
    losses, calls = correctness._losses, []

    def planted(trial: object) -> np.ndarray:
        calls.append(trial)
        return losses(trial) * (1.05 if len(calls) == 3 else 1)

    monkeypatch.setattr(correctness, "_losses", planted)
    result = correctness.stacked(TINY)
    assert list(result["failed"]) == ["losses of seed 1"]
    assert result["largest"] == pytest.approx(0.05, rel=1e-3)
