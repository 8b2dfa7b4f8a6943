"""Settings of devices and hosts."""

from __future__ import annotations

from typing import Any

import pytest
from training_samples import parameters

from mixmas_pipeline.training.parameters import (
    NO_AUGMENTATION,
    PUBLISHED,
    AugmentationParameters,
    BudgetParameters,
    RecipeParameters,
    TrainingParameters,
    TrialRecipeParameters,
)


@pytest.mark.parametrize("wrong", [{"device": "gppu"}, {"precision": "bf61"}, {"strategy": "ddp"}])
def test_misspelt_settings_are_refused_at_once(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        parameters(**wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_epochs": 8, "epochs": 9}, "epochs is 9; expected at most max_epochs, 8"),
        ({"devices": 0}, "greater than or equal to 1"),
        ({"devices": -2}, "greater than or equal to 1"),
        ({"devices": [0, 1]}, r"devices is \[0, 1\] with device 'cpu'"),
        ({"devices": [1, 1], "device": "cuda"}, r"devices is \[1, 1\]; expected numbers of GPUs, each once"),
        ({"devices": [], "device": "cuda"}, r"devices is \[\]"),
        ({"devices": [-1], "device": "cuda"}, "greater than or equal to 0"),
        ({"num_nodes": 2}, "num_nodes is 2 and there is no address; expected host:port"),
        ({"num_nodes": 2, "address": "10.0.0.1"}, "address is '10.0.0.1'; expected host:port"),
        ({"num_nodes": 2, "address": "a:1", "devices": "auto"}, "every host has the same number of processes"),
        ({"devices": 4, "num_nodes": 5, "address": "a:1"}, "batch_size is 16 with 20 processes"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_at_once(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parameters(**changes)


@pytest.mark.parametrize("devices", [2, [0, 3]])
def test_settings_for_gpus_and_hosts_are_accepted(devices: Any) -> None:
    given = parameters(device="cuda", devices=devices, num_nodes=2, address="node-0:29500")
    assert given.devices == devices


@pytest.mark.parametrize(
    ("rows", "most", "size", "growth"),
    [
        (9_600, 256, 32, 1.0),  # 300 steps per epoch
        (9_601, 256, 64, 2**0.75),
        (50_000, 256, 256, 8**0.75),
        (1_000_000, 256, 256, 8**0.75),
        (1_000_000, 255, 128, 4**0.75),
        (1_000_000, 16, 32, 1.0),
        (1_000_000, None, 32, 1.0),
    ],
)
def test_batches_grow_with_the_rows(rows: int, most: int | None, size: int, growth: float) -> None:
    found = parameters(batch_size=32, max_batch_size=most, learning_rate=0.01).for_rows(rows)
    assert found.batch_size == size
    assert found.learning_rate == pytest.approx(0.01 * growth)
    assert found.for_rows(100 * rows) == found, "decided once"


def test_published_is_a_recipe_with_everything_off() -> None:
    assert parameters(recipe="published").recipe == PUBLISHED
    assert parameters(recipe=PUBLISHED.model_dump()).recipe == PUBLISHED
    off = PUBLISHED.model_dump()
    assert not any([*off.pop("augmentation").values()])
    assert off == {"mixup": 0, "label_smoothing": 0, "average": 0, "decay_vectors": True}
    assert TrainingParameters.model_validate_json(parameters().model_dump_json()) == parameters()


def test_parts_of_a_recipe_keep_the_other_defaults() -> None:
    recipe = parameters(recipe={"augmentation": {"flip": True}}).recipe
    assert recipe.augmentation == AugmentationParameters(flip=True)
    assert recipe.model_copy(update={"augmentation": AugmentationParameters()}) == RecipeParameters()


def test_another_word_is_no_recipe() -> None:
    with pytest.raises(ValueError, match="recipe"):
        parameters(recipe="publisht")


def test_recipe_of_trials_has_defaults_of_its_own() -> None:
    """And a budget takes the whole recipe of a full training, as the validation of the search hands it over."""
    budget = {"learning_rate": 0.1, "steps": 1, "extended_steps": 1, "seeds": (0, 1)}
    recipe = BudgetParameters.model_validate({**budget, "recipe": {"average": 0.5}}).recipe
    assert recipe == TrialRecipeParameters(average=0.5)
    assert recipe.augmentation == NO_AUGMENTATION.model_copy(update={"variants": True})
    for whole in (RecipeParameters(label_smoothing=0.1), PUBLISHED):
        assert dict(BudgetParameters.model_validate({**budget, "recipe": whole}).recipe) == dict(whole)
