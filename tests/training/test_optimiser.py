"""The learning rate's schedule by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.optimiser import make_optimiser
from mixmas_pipeline.training.parameters import OptimiserParameters

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 50), (0.0, 20), (0.5, 9), (0.1, 1), (0.99, 30)])
def test_schedule_by_hand(warmup: float, steps: int) -> None:
    parameters = OptimiserParameters(learning_rate=0.02, weight_decay=0.05, warmup=warmup)
    optimiser, schedule = make_optimiser(parameters, torch.nn.Linear(2, 2).parameters(), steps)
    assert isinstance(optimiser, torch.optim.AdamW)
    assert optimiser.param_groups[0]["weight_decay"] == 0.05
    rates = []
    for _ in range(steps + 1):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    rising = max(1, round(warmup * steps))
    expected = [0.02 * (step + 1) / rising for step in range(rising)]
    falling = steps - rising
    expected += [0.01 * (1 + math.cos(math.pi * step / falling)) for step in range(falling)]
    assert rates[:-1] == pytest.approx(expected)
    assert max(rates) == pytest.approx(0.02)
    assert falling == 0 or rates[-1] == pytest.approx(0, abs=1e-12)
