"""The search's nodes: trainings, extension, elimination, and a planted signal."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from search_samples import (
    ELIMINATING,
    LABELS,
    SELECTION,
    brightness_table,
    decision,
    proposal,
    result,
    with_predictions,
)

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.selection import rank
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters, TrialRecipeParameters
from mixmas_pipeline.utils.progress import LOGGER, PartStarted

MIXER = {"block": "mlp_mixer", "channel_dim": 16}


def test_elimination_trains_the_remaining_seeds_of_the_remaining_candidates() -> None:
    sample, holdout = brightness_table(80), brightness_table(60, seed=1)
    first = nodes.train_candidate(proposal(sample, MIXER), sample, holdout, ELIMINATING, SELECTION)
    assert [trial.seed for trial in first.trials] == [5, 6]
    plain = ELIMINATING.model_copy(update={"race": None})
    every = nodes.train_candidate(proposal(sample, MIXER), sample, holdout, plain, SELECTION)
    arguments = (sample, holdout, ELIMINATING, SELECTION)
    finished = nodes.finish_candidate(first, decision(finish=("c",)), *arguments)
    assert [trial.seed for trial in finished.trials] == [5, 6, 7, 8]
    for one, other in zip(finished.trials, every.trials, strict=True):
        assert one.losses == other.losses  # as if they had been trained in one go
        assert one.predicted == other.predicted
    assert nodes.finish_candidate(first, decision(), *arguments) is first
    longer = nodes.finish_candidate(first, decision(extend=True), *arguments)
    assert [(trial.seed, trial.steps) for trial in longer.trials] == [(s, 6) for s in (5, 6, 7, 8)]
    assert longer.earlier_seconds == sum(trial.seconds for trial in first.trials)


def test_progress_counts_the_seeds_that_a_node_trains(caplog: pytest.LogCaptureFixture) -> None:
    sample, holdout = brightness_table(80), brightness_table(60, seed=1)
    caplog.set_level(logging.DEBUG, LOGGER)

    def parts() -> list[tuple[int, int]]:
        events = [vars(record)["progress"] for record in caplog.records if record.name == LOGGER]
        caplog.clear()
        return [(event.number, event.of) for event in events if isinstance(event, PartStarted)]

    for batched, expected in ((False, [(1, 2), (2, 2)]), (True, [(2, 2)])):
        budget = ELIMINATING.model_copy(update={"batched": batched})
        first = nodes.train_candidate(proposal(sample, MIXER), sample, holdout, budget, SELECTION)
        assert parts() == expected
        nodes.finish_candidate(first, decision(finish=("c",)), sample, holdout, budget, SELECTION)
        assert parts() == expected


@pytest.mark.parametrize(
    ("accuracies", "dropped", "finish"),
    [
        ({"a": 0.5, "b": 0.79, "c": 0.8}, ["a"], ("b", "c")),
        ({"a": 0.5, "b": 0.5, "c": 0.8}, ["a", "b"], ()),  # one is left: nothing more to decide
        ({"a": 0.8, "b": 0.79, "c": 0.8}, [], ("a", "b", "c")),
    ],
    ids=["one_behind", "two_behind", "none_behind"],
)
def test_decision_with_elimination(accuracies: dict[str, float], dropped: list[str], finish: tuple[str, ...]) -> None:
    results = {name: result(name, accuracy, 1, seeds=2) for name, accuracy in accuracies.items()}
    holdout = brightness_table(600, labels=LABELS)
    decided = nodes.decide(SELECTION, ELIMINATING, holdout, **results)
    assert (list(decided.dropped), decided.finish, decided.extend) == (dropped, finish, False)
    without = nodes.decide(SELECTION, ELIMINATING.model_copy(update={"race": None}), holdout, **results)
    assert (without.dropped, without.finish) == ({}, ())
    at_chance = nodes.decide(SELECTION, ELIMINATING, holdout, **results, d=result("d", 0.25, 1, seeds=2))
    assert at_chance.extend
    assert at_chance.at_chance == ("d",)
    assert (at_chance.dropped, at_chance.finish) == ({}, ())


def test_a_candidate_at_chance_eliminates_nobody() -> None:
    """A candidate that always predicts the most frequent class may score more than one that has learnt something."""
    rng = np.random.default_rng(5)
    labels = (rng.random(600) < 0.1).astype(int)
    learnt = np.where(labels == 1, rng.random(600) < 0.9, rng.random(600) < 0.2).astype(int)
    predictions = {"majority": np.zeros(600, dtype=int), "learnt": learnt}
    results = {name: with_predictions(name, [p, p], 1, labels) for name, p in predictions.items()}
    assert results["majority"].scores[0] > results["learnt"].scores[0] + 0.05
    holdout = brightness_table(600, labels=labels)
    budget = ELIMINATING.model_copy(update={"extended_steps": ELIMINATING.steps})
    decided = nodes.decide(SELECTION, budget, holdout, **results)
    assert decided.at_chance == ("majority",)
    assert decided.dropped == {}
    assert rank(list(results.values()), labels, SELECTION, decided.dropped).winner == "learnt"


def test_elimination_needs_remaining_seeds() -> None:
    with pytest.raises(ValueError, match=r"race.seeds is 4 of 4 seeds"):
        BudgetParameters.model_validate({**ELIMINATING.model_dump(), "race": {"seeds": 4}})


def test_extension_trains_all_candidates_with_the_larger_budget() -> None:
    sample, holdout = brightness_table(80), brightness_table(60, seed=1)
    budget = BudgetParameters(steps=2, extended_steps=40, seeds=(0, 1), learning_rate=0.01, device="cpu")
    first = nodes.train_candidate(proposal(sample, MIXER), sample, holdout, budget, SELECTION)
    assert [trial.steps for trial in first.trials] == [2, 2]
    longer = nodes.finish_candidate(first, decision(extend=True), sample, holdout, budget, SELECTION)
    assert [trial.steps for trial in longer.trials] == [40, 40]
    assert np.mean(longer.scores) > np.mean(first.scores)
    choice, board, _ = nodes.choose(SELECTION, holdout, decision(extend=True), c=longer)
    assert choice.extended
    assert isinstance(board, pd.DataFrame)
    assert board["extended"].all()
    assert board["seconds"].item() == pytest.approx(first.seconds + sum(trial.seconds for trial in longer.trials))


def test_planted_signal_is_chosen() -> None:
    """The class is in the arrangement of two tokens only. A candidate whose mixing is dropped out cannot learn it."""
    rng = np.random.default_rng(3)

    def arranged(rows: int) -> MultimodalTable:
        labels = rng.integers(0, 2, rows)
        signs = rng.choice([-1.0, 1.0], size=(rows, 1))
        x = np.concatenate([signs, signs * np.where(labels[:, None] == 1, 1.0, -1.0)], axis=1)
        images = np.repeat(x[:, None, :], 4, axis=1).repeat(4, axis=2) + 0.1 * rng.normal(size=(rows, 4, 8))
        schema = TableSchema({"x": Modality("image", (4, 8), "float32")}, "multiclass", ("differ", "agree"))
        return MultimodalTable(schema, {"x": images.astype(np.float32)}, labels, [f"r{i}" for i in range(rows)])

    sample, holdout = arranged(300), arranged(300)
    budget = BudgetParameters(
        steps=120,
        extended_steps=120,
        seeds=(0, 1, 2),
        learning_rate=0.01,
        device="cpu",
        recipe=TrialRecipeParameters(mixup=0),
    )
    results = {}
    for name, block in {
        "mixes": {"block": "hyper_mixer", "channel_dim": 16, "token_dim": 8},
        "dropped_out": {"block": "mlp_mixer", "channel_dim": 16, "token_dim": 8, "dropout": 0.98},
    }.items():
        candidate = proposal(sample, block, name)
        results[name] = nodes.train_candidate(candidate, sample, holdout, budget, SELECTION)
    choice, board, _ = nodes.choose(SELECTION, holdout, decision(), **results)
    assert choice.candidate == "mixes", board.to_string()
    assert choice.architecture == results["mixes"].architecture


def test_settings_that_do_not_fit_are_named() -> None:
    train = brightness_table(40)
    training = TrainingParameters(seed=0, max_epochs=1, patience=1, metric="accuracy", learning_rate=0.1)
    budget = ELIMINATING.model_copy(update={"modality_dropout": 0.25})
    report = nodes.check_parameters(train, SELECTION, ELIMINATING, training)
    assert report.metrics == {"search.selection.metric": "accuracy", "training.metric": "accuracy"}
    with pytest.raises(ValueError, match=r"search.budget.modality_dropout is 0.25, and 'x' is the only modality"):
        nodes.check_parameters(train, SELECTION, budget, training)
    with pytest.raises(ValueError, match=r"training.metric is 'r2'"):
        nodes.check_parameters(train, SELECTION, ELIMINATING, training.model_copy(update={"metric": "r2"}))
