"""A document is read as the class that was written, also where a field may have two."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from mixmas_pipeline.pipelines.describe.results import (
    ClassFacts,
    Estimate,
    FailedCandidate,
    FailedTraining,
    ModalityFacts,
    Presence,
    TableFacts,
    TargetFacts,
    TimedCandidate,
    TrainingCost,
    TrialTime,
)

VALUES = {"minimum": 0, "maximum": 1, "mean": 0.5, "std": 0.1, "features": 2, "constant_features": [1], "blank": []}
PHOTO = {"kind": "image", "shape": [2], "dtype": "uint8", "scale": 1, "offset": 0, "unit": "", "padded": False}
PHOTO |= {"optional": True, "features": []}
COST = {"stage": "photo", "candidate": "mlp", "parameters": 3, "flops": 4, "bytes": 5}
SPEEDS = {speed: [0.5, 0.25] for speed in ("median", "fastest", "slowest", "working")}


def test_a_split_without_the_modality_has_no_values() -> None:
    present = {"rows": 3, "missing": 0.25, **VALUES}
    document = {**PHOTO, "splits": {"train": present, "test": {"rows": 0, "missing": 1}}}
    facts = ModalityFacts.model_validate(document)
    assert type(facts.splits["test"]) is Presence
    assert facts.splits["train"].mean == 0.5  # type: ignore[union-attr]
    written = json.loads(facts.model_dump_json())
    assert written["splits"]["train"] == {**present, "padding": None}
    assert written["splits"]["test"] == document["splits"]["test"]
    assert ModalityFacts.model_validate(written) == facts


def test_labels_are_classes_or_targets() -> None:
    table = {"source": "", "task": "regression", "rows": {}, "modalities": {}, "patterns": {}, "masks": {}}
    targets = TableFacts.model_validate({**table, "labels": {"targets": {}}})
    classes = TableFacts.model_validate({**table, "labels": {"classes": {}, "without": {}}})
    assert isinstance(targets.labels, TargetFacts)
    assert isinstance(classes.labels, ClassFacts)


def test_a_candidate_and_a_training_are_timed_or_failed() -> None:
    timed = {**COST, "seconds": SPEEDS, "seconds_a_trial": 3.0}
    estimate = Estimate.model_validate(
        {
            "device": "cpu",
            "cores": 2,
            "load": 0.5,
            "candidates": [timed, {**COST, "failed": "the loss is not finite"}],
            "training": {"failed": "the loss is not finite"},
        }
    )
    first, second = estimate.candidates
    assert isinstance(first, TimedCandidate)
    assert first.seconds.median == TrialTime(fixed=0.5, step=0.25)
    assert isinstance(second, FailedCandidate)
    assert isinstance(estimate.training, FailedTraining)
    written = json.loads(estimate.model_dump_json())
    assert written["candidates"][0] == timed
    assert Estimate.model_validate(written) == estimate
    epoch = {"seconds_an_epoch": 1, "alone_seconds_an_epoch": 1, "epochs": 2, "seconds": 2}
    assert isinstance(Estimate.model_validate({**written, "training": epoch}).training, TrainingCost)
    with pytest.raises(ValidationError, match="frozen"):
        estimate.cores = 3  # type: ignore[misc]
