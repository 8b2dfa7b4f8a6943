"""Results of the comparison as JSON documents."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from mixmas_pipeline.pipelines.compare.results import Contender, TuningResult, TuningTrial, alone


def test_a_contender_survives_json(contenders: dict[str, Contender]) -> None:
    for name in ("baseline", alone("plot")):
        document = json.loads(json.dumps(contenders[name].model_dump(mode="json"), allow_nan=False))
        assert Contender.model_validate(document) == contenders[name]


def test_a_training_without_a_score_survives_json() -> None:
    trials = tuple(TuningTrial(learning_rate=r, score=s, epochs=2, seconds=1.5) for r, s in ((0.1, 0.5), (9.0, None)))
    before = TuningResult(contender="baseline", learning_rate=0.1, at_edge=False, trials=trials)
    assert TuningResult.model_validate(json.loads(json.dumps(before.model_dump(mode="json")))) == before


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValidationError, match="score"):
        TuningTrial(learning_rate=0.1, score=float("nan"), epochs=1, seconds=1.0)
