"""A verdict as a JSON document."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from mixmas_pipeline.pipelines.reference.results import Finalist, Verdict


def test_a_verdict_survives_json() -> None:
    scores = {"validation": 0.5, "test": 0.25, "low": 0.125, "high": 0.5}
    first, second = (
        Finalist.model_validate({"model": m, "modalities": "a + b", **scores}) for m in ("linear", "network")
    )
    noise = {"difference": 0.0, "low": -0.5, "high": 0.5, "outcome": "level", "rows": 8}
    before = Verdict.model_validate(
        {"metric": "r2", "recommended": first, "other": second, **noise, "sentences": ("One.", "Two.")}
    )
    assert Verdict.model_validate(json.loads(json.dumps(before.model_dump(mode="json"), allow_nan=False))) == before
    with pytest.raises(ValidationError, match="outcome"):
        Verdict.model_validate(before.model_dump() | {"outcome": "unclear"})
