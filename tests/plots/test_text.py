"""Sentences about findings and estimates."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mixmas_pipeline.pipelines.describe.results import Estimate, FailedTraining, Memory, SearchCost, TrainingCost
from mixmas_pipeline.plots.text import estimate_sentences, findings_verdict

DESCRIPTION = SimpleNamespace(rows={"train": 4000}, search=SimpleNamespace(sample=1100, holdout=300))
ESTIMATE = Estimate(
    device="cpu",
    load=0.5,
    cores=2,
    bytes=Memory(at_once=7_000_000, largest_trial=5_000_000, samples=2_000_000, training=9_000_000),
    search=SearchCost(
        seconds=125.0,
        least_seconds=100.0,
        most_seconds=200.0,
        alone_seconds=60.0,
        candidates=12,
        trials=24,
        steps=4800,
        at_once=2,
    ),
    training=TrainingCost(seconds=600.0, epochs=20, seconds_an_epoch=30.0, alone_seconds_an_epoch=15.0),
)


@pytest.mark.parametrize(
    ("severities", "sentence"),
    [
        (["error", "warning", "warning"], "A search would stop: 1 error and 2 warnings."),
        (["error", "error"], "A search would stop: 2 errors."),
        (["warning"], "A search would run; 1 warning: scores may mislead, or the model may not learn something."),
        (["note"], "A search would run. Nothing speaks against it."),
        ([], "A search would run. Nothing speaks against it."),
    ],
    ids=["error and warnings", "errors", "warning", "note", "none"],
)
def test_verdict(severities: list[str], sentence: str) -> None:
    assert findings_verdict(severities) == sentence


def test_estimate_in_sentences() -> None:
    assert estimate_sentences(ESTIMATE, DESCRIPTION) == {
        "search": "Search: about 2 min 5 s (1 min 40 s to 3 min 20 s) on cpu: 12 candidates, 24 trials of 200 "
        "steps, 2 at once, trained on 1,100 rows, scored on 300.",
        "training": "Full training: at most 10 min 0 s: 20 epochs of 30 s, 4,000 rows.",
        "memory": "Memory: about 7 MB for the trials that run at once, in addition to 500 MB per process; 5 MB for the "
        "largest trial, 2 MB for the samples, 9 MB for full training.",
    }


def test_a_busy_machine_is_mentioned_with_the_times_without_other_load() -> None:
    sentences = estimate_sentences(ESTIMATE.model_copy(update={"load": 3.2}), DESCRIPTION)
    assert sentences["search"].endswith("The machine is busy (load 3 on 2 cores); without other programs: 1 min 0 s.")
    assert sentences["training"].endswith("Without other programs: 5 min 0 s.")


def test_members_side_by_side_are_mentioned() -> None:
    training = ESTIMATE.training.model_copy(update={"at_once": 2, "seconds": 300.0})
    sentences = estimate_sentences(ESTIMATE.model_copy(update={"training": training, "load": 3.2}), DESCRIPTION)
    assert sentences["training"] == (
        "Full training: at most 5 min 0 s: 20 epochs of 30 s, 2 at once, 4,000 rows. Without other programs: 2 min "
        "30 s."
    )


def test_a_training_that_failed_is_mentioned_with_its_reason() -> None:
    sentences = estimate_sentences(
        ESTIMATE.model_copy(update={"training": FailedTraining(failed="out of memory")}), DESCRIPTION
    )
    assert sentences["training"] == "Full training: not timed, because it failed: out of memory"
