"""The recipe's changes of batches: random numbers, missing modalities, what is scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from training_samples import BUDGET, lacking

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training import recipe as recipes
from mixmas_pipeline.training import trial as trials
from mixmas_pipeline.training.batches import Batch, Batches
from mixmas_pipeline.training.mixup import blend
from mixmas_pipeline.training.parameters import NO_AUGMENTATION, PUBLISHED, RecipeParameters, TrialRecipeParameters
from mixmas_pipeline.training.recipe import BatchRecipe
from mixmas_pipeline.training.trial import run_trial

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


def first_batch(table: MultimodalTable) -> Batch:
    return next(iter(Batches(table, [np.arange(len(table))])))


def same(first: Batch, second: Batch) -> bool:
    inputs = all(torch.equal(first.inputs[name], second.inputs[name]) for name in first.inputs)
    return inputs and torch.equal(first.labels, second.labels)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_batch_follows_from_seed_epoch_step_and_process(
    make_table: MakeTable, make_architecture: MakeArchitecture, task: str
) -> None:
    table = make_table(20, task)
    change, batch = BatchRecipe(RecipeParameters(), table.schema, make_architecture(task=task)), first_batch(table)
    before = torch.random.get_rng_state()
    changed = change(batch, 3, 1, 2)
    torch.rand(3)
    assert same(changed, change(batch, 3, 1, 2))
    others = [change(batch, *numbers) for numbers in ((4, 1, 2), (3, 2, 2), (3, 1, 3), (3, 1, 2, 1), (1, 3, 2))]
    assert not any(same(changed, other) for other in others)
    torch.random.set_rng_state(before)
    assert same(batch, first_batch(table)), "the stored batch is left alone"


def test_trials_augment_nothing(
    make_table: MakeTable, make_architecture: MakeArchitecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variants are drawn by the batches: no step of a trial may pay for augmentation that is switched off."""
    monkeypatch.setattr(recipes, "augment", lambda *_: pytest.fail("augmented"))
    table = make_table(20)
    BatchRecipe(TrialRecipeParameters(), table.schema, make_architecture())(first_batch(table), 0, 0, 0)


def test_published_recipe_changes_nothing(make_table: MakeTable, make_architecture: MakeArchitecture) -> None:
    table = make_table(20)
    batch = first_batch(table)
    assert same(BatchRecipe(PUBLISHED, table.schema, make_architecture())(batch, 0, 0, 0), batch)


def test_mixup_by_hand(
    make_table: MakeTable, make_architecture: MakeArchitecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One share per batch, of the distribution Beta(mixup, mixup)."""
    shares: list[float] = []

    def record(*arguments: Any) -> Any:
        shares.append(arguments[4])
        return blend(*arguments)

    monkeypatch.setattr(recipes, "blend", record)
    table, plan = make_table(6), make_architecture()
    change = BatchRecipe(RecipeParameters(augmentation=NO_AUGMENTATION, mixup=0.4), table.schema, plan)
    batch = first_batch(table)
    changed = [change(batch, 0, 0, step) for step in range(2000)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.var(shares) == pytest.approx(0.25 / (2 * 0.4 + 1), rel=0.05)
    for one in changed:
        torch.testing.assert_close(one.labels.sum(dim=1), torch.ones(6))
        torch.testing.assert_close(one.inputs["series"].mean(0), batch.inputs["series"].mean(0))


def test_missing_modalities_have_no_effect(make_table: MakeTable, make_architecture: MakeArchitecture) -> None:
    """Whatever would be in their place: the changed batch has the same logits and gradients."""
    table = lacking(make_table(30))
    filled = lacking(make_table(30))
    for name, mask in filled.present.items():
        filled.arrays[name][~mask] = 7
    plan = make_architecture(function="mean")
    change, model = BatchRecipe(RecipeParameters(), table.schema, plan), initialised(MultimodalMixer, 0, plan)
    results = []
    for batch in (first_batch(table), first_batch(filled)):
        changed = change(batch, 0, 0, 0)
        results.append((model(changed.inputs, changed.present)[FUSED], changed.labels))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_what_is_scored_never_passes_the_recipe(
    make_table: MakeTable, make_architecture: MakeArchitecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only training batches do, in all of their rows; and the score is of the averaged weights."""
    seen: list[int] = []
    original = BatchRecipe.__call__

    def record(self: BatchRecipe, batch: Batch, *numbers: int) -> Batch:
        seen.append(len(batch.labels))
        return original(self, batch, *numbers)

    scored: list[dict[str, torch.Tensor]] = []
    compute = trials.compute_logits

    def evaluate(model: MultimodalMixer, *arguments: Any) -> Any:
        scored.append({name: weight.clone() for name, weight in model.named_parameters()})
        return compute(model, *arguments)

    monkeypatch.setattr(BatchRecipe, "__call__", record)
    monkeypatch.setattr(trials, "compute_logits", evaluate)
    for average in (0.0, 0.9):
        budget = BUDGET.model_copy(update={"recipe": RecipeParameters(average=average)})
        run_trial(make_architecture(), make_table(32), make_table(77, seed=1), budget, 6, 0, "accuracy", "test")
    assert seen == [16] * 12
    last, averaged = scored
    assert not any(torch.equal(last[name], averaged[name]) for name in last)
