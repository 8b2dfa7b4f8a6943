"""The learning rate's schedule by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.training.optimiser import make_optimiser
from mixmas_pipeline.training.parameters import OptimiserParameters, RecipeParameters

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


@pytest.mark.parametrize("decay_vectors", [False, True])
@pytest.mark.parametrize("stacked", [False, True])
def test_vectors_do_not_decay(make_architecture: MakeArchitecture, decay_vectors: bool, stacked: bool) -> None:
    """Biases and the weights of normalisations, also those of stacked models; every weight is in one group."""
    model = initialised(MultimodalMixer, 0, make_architecture("ramlp", "monarch_mixer", "hyper_mixer"))
    vectors = {name for name, weight in model.named_parameters() if weight.dim() <= 1}
    assert vectors > {name for name, _ in model.named_parameters() if name.endswith("norm.weight")} > set()
    named = {n: (p[None] if stacked else p).detach().requires_grad_() for n, p in model.named_parameters()}
    recipe = RecipeParameters(decay_vectors=decay_vectors)
    parameters = OptimiserParameters(learning_rate=0.02, weight_decay=0.05, recipe=recipe)
    optimiser, _ = make_optimiser(parameters, named.values(), 5, stacked=stacked)
    decays = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert len(decays) == len(named)
    for name, p in named.items():
        assert decays[id(p)] == (0.0 if name in vectors and not decay_vectors else 0.05), name
    assert len({group["lr"] for group in optimiser.param_groups}) == 1
