"""Results of the validation as JSON documents."""

from __future__ import annotations

import json

import pytest
from planted_films import space
from pydantic import ValidationError
from search_samples import brightness_table, proposal

from mixmas_pipeline.pipelines.validate_search.results import Combination, CombinationResult, SearchBudget
from mixmas_pipeline.utils.parameters import Parameters

BUDGET = SearchBudget(rows=9, holdout=5, epochs=2, seeds=(1, 2), replicate=0, joint=None, budget=space().budget)
RESULT = CombinationResult(
    choice={"plot": "mlp"}, parameters=3, flops=2.5, scores=(0.5, 0.25), halves=((0.5, 0.5), (0.0, 0.5)), seconds=1.0
)


def combination() -> Combination:
    candidate = proposal(brightness_table(8), {"block": "mlp_mixer", "channel_dim": 4})
    return Combination(**dict(candidate), choice={"x": "c"})


@pytest.mark.parametrize("before", [BUDGET, RESULT, combination()], ids=lambda value: type(value).__name__)
def test_results_survive_json(before: Parameters) -> None:
    document = json.loads(json.dumps(before.model_dump(mode="json"), allow_nan=False))
    assert type(before).model_validate(document) == before


@pytest.mark.parametrize("damage", [{"halves": [[0.5]]}, {"scores": None}, {"extra": 1}], ids=lambda d: next(iter(d)))
def test_a_damaged_document_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(damage))):
        CombinationResult.model_validate({**RESULT.model_dump(), **damage})
