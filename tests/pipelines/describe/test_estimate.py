"""The estimate follows from the measured times."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from described import COMPUTE, described, made, settings

from mixmas_pipeline.pipelines.describe import estimate, nodes
from mixmas_pipeline.plots.text import estimate_sentences
from mixmas_pipeline.utils.resources import ComputeParameters


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial takes 3 seconds, and half a second a step."""

    def run(architecture: Any, sample: Any, holdout: Any, budget: Any, steps: int, seeds: Any, *_: Any) -> list[Any]:
        return [SimpleNamespace(seconds=3 + 0.5 * steps) for _ in seeds]

    monkeypatch.setattr(estimate, "run_trials", run)
    monkeypatch.setattr(estimate, "time_training", lambda *_: 7.0)


def test_estimate_follows_from_the_measured_seconds(slow_steps: None) -> None:
    """Two modalities with two candidates each, two functions, one network; two seeds; 40 steps."""
    splits = made()
    search, training = settings(splits)
    plan = nodes.plan_search(splits["train"], search.model_dump(), training)
    compute = ComputeParameters.model_validate({"cores": 3})
    found = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, compute)
    trial = 3 + 0.5 * 40
    assert [one.seconds_a_trial for one in found.candidates] == pytest.approx([trial] * 7)
    node = 2 * trial
    assert [getattr(found.search, name) for name in ("candidates", "trials", "steps", "at_once")] == [7, 14, 560, 3]
    # Four encoders on three cores, then the functions side by side, then the network.
    assert found.search.seconds == pytest.approx(4 * node)
    assert found.search.least_seconds == pytest.approx(4 * node)
    # Twelve epochs of each of five members, three members at once; and all of them may be trained again.
    names = ("seconds_an_epoch", "epochs", "at_once", "seconds")
    assert [getattr(found.training, name) for name in names] == [7.0, 120, 3, 2 * 2 * 12 * 7.0]
    rows = 2 * sum(array.nbytes for split in ("train", "validation") for array in splits[split].arrays.values())
    assert found.bytes.training == 3 * (found.candidates[-1].bytes + rows)
    one = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, COMPUTE)
    assert one.search.seconds == pytest.approx(7 * node)
    assert (one.training.at_once, one.training.seconds) == (1, 10 * 12 * 7.0)


def test_a_training_that_fails_is_reported(slow_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> float:
        raise FloatingPointError("epoch 1: the loss is not finite; lower the learning rate")

    monkeypatch.setattr(estimate, "time_training", fail)
    splits = made(names=("facts",))
    search, training = settings(splits)
    plan = nodes.plan_search(splits["train"], search.model_dump(), training)
    found = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, COMPUTE)
    description, _ = described(splits)
    sentence = estimate_sentences(found, description)["training"]
    assert (
        sentence
        == "Full training: not timed, because it failed: epoch 1: the loss is not finite; lower the learning rate"
    )


def test_estimate_with_elimination_and_an_extension(slow_steps: None) -> None:
    splits = made(names=("facts",))
    changes = {"search": {"budget": {"seeds": [0, 1, 2], "race": {"seeds": 2}, "extended_steps": 80}}}
    search, training = settings(splits, **changes)
    plan = nodes.plan_search(splits["train"], search.model_dump(), training)
    found = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, COMPUTE)
    assert found.search.least_seconds == pytest.approx(2 * 2 * 23)
    assert found.search.seconds == pytest.approx(2 * 3 * 23)
    assert found.search.most_seconds == pytest.approx(2 * 2 * 23 + 2 * 3 * 43)


def test_tasks_on_slots() -> None:
    assert estimate.makespan([], 2) == 0
    assert estimate.makespan([3, 1, 1, 1], 2) == 3
    assert estimate.makespan([1, 1, 3], 2) == 4
    assert estimate.makespan([1, 2, 3], 1) == 6


def test_memory_counts_what_is_kept_for_the_backward_pass() -> None:
    """It grows with the batch; the weights do not."""
    splits = made(names=("facts",))
    search, training = settings(splits)
    (_, mixer) = nodes.plan_search(splits["train"], search.model_dump(), training).facts.proposals
    sizes = [
        estimate.working_bytes(mixer.architecture, splits["train"], search.budget.model_copy(update={"batch_size": b}))
        for b in (20, 40, 60)
    ]
    weights = 16 * mixer.parameters
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] > 0
    assert weights <= sizes[0] - (sizes[1] - sizes[0]) < weights + 1000
    # At least its tokens, once: 5 of width 8, of 4 bytes.
    assert sizes[1] - sizes[0] > 20 * 5 * 8 * 4
