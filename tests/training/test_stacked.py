"""Seeds trained as one model are the separate trials, to rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from training_samples import BUDGET, CANDIDATES, assert_same

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training.parameters import PUBLISHED, RecipeParameters
from mixmas_pipeline.training.stacked import StackedModels
from mixmas_pipeline.training.trial import run_trials

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


@pytest.mark.parametrize(("image", "series", "network"), CANDIDATES)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("recipe", [PUBLISHED, RecipeParameters(average=0.5)], ids=["published", "ours"])
def test_seeds_as_one_model_are_the_separate_trials(
    make_table: MakeTable,
    make_architecture: MakeArchitecture,
    recipe: RecipeParameters,
    task: str,
    image: str,
    series: str,
    network: str,
) -> None:
    """But for rounding; the clipping of gradients is at work (a norm of 0.1), and is each seed's own."""
    architecture = make_architecture(image, series, network, task=task)
    sample, holdout = make_table(61, task), make_table(50, task, 1)
    budget = BUDGET.model_copy(update={"clip_norm": 0.1, "balance": "classes", "recipe": recipe})
    runs = []
    for batched in (False, True):
        chosen = budget.model_copy(update={"batched": batched})
        runs.append(run_trials(architecture, sample, holdout, chosen, 12, (0, 1, 5), "accuracy", "test"))
    for alone, stacked in zip(*runs, strict=True):
        assert (alone.seed, alone.steps) == (stacked.seed, stacked.steps)
        assert [step for step, _ in alone.losses] == [step for step, _ in stacked.losses]
        np.testing.assert_allclose([v for _, v in stacked.losses], [v for _, v in alone.losses], rtol=1e-3)
        assert (alone.predicted == stacked.predicted).mean() > 0.95
    first, last = runs[1][0], runs[1][-1]
    assert first.losses[-1] != last.losses[-1]


def test_a_seed_is_not_affected_by_those_stacked_with_it(
    make_table: MakeTable, make_architecture: MakeArchitecture
) -> None:
    budget = BUDGET.model_copy(update={"batched": True})
    pair = make_table(40), make_table(20, seed=1)
    one, other = (
        run_trials(make_architecture(), *pair, budget, 8, seeds, "accuracy", "test") for seeds in ((3, 4), (3, 9))
    )
    assert_same(one[0], other[0])


def test_stacked_dropout_differs_by_seed(make_architecture: MakeArchitecture) -> None:
    models = [initialised(MultimodalMixer, 0, make_architecture(dropout=0.5)).train() for _ in range(2)]
    inputs = {"image": torch.zeros(4, 6, 6, dtype=torch.uint8), "series": torch.ones(4, 5, 3)}
    first, second = StackedModels(models)([inputs, inputs])
    assert not torch.equal(first[FUSED], second[FUSED])
