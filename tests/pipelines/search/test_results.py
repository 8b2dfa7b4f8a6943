"""Results as JSON documents: what is saved is what is loaded, and a damaged document is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from search_samples import LABELS, result

from mixmas_pipeline.pipelines.search.results import CandidateResult


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
