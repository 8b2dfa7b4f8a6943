"""Results as JSON documents: what is saved is what is loaded, and a damaged document is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError
from search_samples import LABELS, result

from mixmas_pipeline.pipelines.search.results import CandidateResult, TrialResult
from mixmas_pipeline.pipelines.search.trials import plain_labels


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


def test_a_candidate_result_is_flat_and_loads_as_it_was() -> None:
    """The keys of the proposal, then the trials: as earlier versions wrote it."""
    before = result("a", 0.5, 7)
    document = json.loads(json.dumps(before.model_dump(mode="json"), allow_nan=False))
    assert list(document) == [
        *("stage", "modality", "candidate", "parameters", "flops", "architecture"),
        *("trials", "earlier_seconds"),
    ]
    assert CandidateResult.model_validate(document) == before
    del document["earlier_seconds"]
    assert CandidateResult.model_validate(document) == before
    assert len(before.trials[0].predicted) == len(LABELS)


@pytest.mark.parametrize("damage", [{"trials": []}, {"flops": None}, {"extra": 1}], ids=lambda d: next(iter(d)))
def test_a_damaged_document_is_refused(damage: dict[str, object]) -> None:
    document = result("a", 0.5, 7).model_dump(mode="json")
    with pytest.raises(ValidationError, match=next(iter(damage))):
        CandidateResult.model_validate({**document, **damage})


def test_results_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        result("a", 0.5, 7).candidate = "b"  # type: ignore[misc]
