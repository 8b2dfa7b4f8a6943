"""Trials of a candidate: one per seed, scored on the held-out rows; predicted labels survive JSON."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from search_samples import ELIMINATING, brightness_table, proposal

from mixmas_pipeline.pipelines.search.results import TrialResult
from mixmas_pipeline.pipelines.search.trials import plain_labels, train_from_seeds
from mixmas_pipeline.utils.progress import LOGGER, CandidateScored


def trial(predicted: object) -> TrialResult:
    return TrialResult.model_validate(
        {"seed": 0, "steps": 1, "score": 0.5, "predicted": predicted, "losses": [[1, 0.7]], "seconds": 0.1}
    )


@pytest.mark.parametrize(
    ("task", "predicted"),
    [
        ("multiclass", np.array([3, 0, 2])),
        ("multilabel", np.array([[True, False], [False, False]])),
        ("regression", np.array([[1.0], [2.0]], dtype=np.float32)),
        ("regression", np.array([[1.0, 2.5], [0.1, -3.0]], dtype=np.float32)),
    ],
    ids=["classes", "label_sets", "whole_numbers", "numbers"],
)
def test_predicted_labels_survive_json(task: str, predicted: np.ndarray) -> None:
    """The array that is read back has the same values; a regression's numbers stay floats."""
    before = trial(plain_labels(predicted, task))
    text = json.dumps(before.model_dump(mode="json"))
    after = TrialResult.model_validate(json.loads(text))
    assert after == before
    array = np.array(after.predicted)
    np.testing.assert_array_equal(array, predicted)
    assert array.dtype == (np.float64 if task == "regression" else np.int64)


def test_one_trial_per_seed_scored_on_the_held_out_rows(caplog: pytest.LogCaptureFixture) -> None:
    sample, holdout = brightness_table(48), brightness_table(30, seed=1)
    candidate = proposal(sample, {"block": "mlp_mixer", "channel_dim": 8})
    caplog.set_level(logging.DEBUG, LOGGER)
    trials = train_from_seeds(candidate, sample, holdout, ELIMINATING, "accuracy", 4, [7, 3])
    assert [(trial.seed, trial.steps) for trial in trials] == [(7, 4), (3, 4)]
    for trial in trials:
        right = [guess == label for guess, label in zip(trial.predicted, holdout.labels.tolist(), strict=True)]
        assert trial.score == pytest.approx(sum(right) / 30)
    (alone,) = train_from_seeds(candidate, sample, holdout, ELIMINATING, "accuracy", 4, [3])
    assert (alone.losses, alone.predicted) == (trials[1].losses, trials[1].predicted), "trials share nothing"
    reported = [vars(record)["progress"] for record in caplog.records if record.name == LOGGER]
    scored = [(event.key, event.score) for event in reported if isinstance(event, CandidateScored)]
    assert scored == [("7", trials[0].score), ("3", trials[1].score), ("3", alone.score)]
