"""Sentences about findings and estimates."""

from __future__ import annotations

from typing import Any

import pytest

from mixmas_pipeline.plots.text import estimate_sentences, findings_verdict

DESCRIPTION: dict[str, Any] = {"rows": {"train": 4000}, "search": {"sample": 1100, "holdout": 300}}
ESTIMATE: dict[str, Any] = {
    "device": "cpu",
    "load": 0.5,
    "cores": 2,
    "bytes": {"at_once": 7e6, "largest_trial": 5e6, "samples": 2e6},
    "search": {
        "seconds": 125.0,
        "least_seconds": 100.0,
        "most_seconds": 200.0,
        "alone_seconds": 60.0,
        "candidates": 12,
        "trials": 24,
        "steps": 4800,
        "at_once": 2,
    },
    "training": {"seconds": 600.0, "epochs": 20, "seconds_an_epoch": 30.0, "alone_seconds_an_epoch": 15.0},
}


@pytest.mark.parametrize(
    ("severities", "sentence"),
    [
        (["error", "warning", "warning"], "A search would stop: 1 error; beside them 2 warnings."),
        (["error", "error"], "A search would stop: 2 errors."),
        (["warning"], "A search would run; 1 warning: where its scores would mislead, or what it would miss."),
        (["note"], "A search would run, and nothing was found that speaks against it."),
        ([], "A search would run, and nothing was found that speaks against it."),
    ],
    ids=["error and warnings", "errors", "warning", "note", "none"],
)
def test_verdict(severities: list[str], sentence: str) -> None:
    assert findings_verdict([{"severity": severity} for severity in severities]) == sentence


def test_estimate_in_sentences() -> None:
    assert estimate_sentences(ESTIMATE, DESCRIPTION) == {
        "search": "Search: about 2 min 5 s (1 min 40 s to 3 min 20 s) on cpu: 12 candidates, 24 trainings of 200 "
        "steps, 2 at once, on 1,100 rows, scored on 300.",
        "training": "Full training: at most 10 min 0 s: 20 epochs of 30 s, 4,000 rows.",
        "memory": "Memory: about 7 MB for the trials at once, beside 500 MB a process; the largest takes 5 MB, the "
        "samples 2 MB.",
    }


def test_a_busy_machine_is_mentioned_with_the_times_without_other_load() -> None:
    sentences = estimate_sentences({**ESTIMATE, "load": 3.2}, DESCRIPTION)
    assert sentences["search"].endswith("The machine is busy (load 3 on 2 cores); alone on it: 1 min 0 s.")
    assert sentences["training"].endswith("Alone on the machine: 5 min 0 s.")


def test_a_training_that_failed_is_mentioned_with_its_reason() -> None:
    sentences = estimate_sentences({**ESTIMATE, "training": {"failed": "out of memory"}}, DESCRIPTION)
    assert sentences["training"] == "Full training: not timed, for it failed: out of memory"
