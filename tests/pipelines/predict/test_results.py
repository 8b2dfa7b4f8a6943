"""A summary is read from its document as the classes that were written."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from mixmas_pipeline.pipelines.predict.results import ClassContribution, PredictionSummary, ValueContribution

VALUE = {"rows": 2, "mean_contribution": -0.5, "mean_absolute_contribution": 1.5}
CLASS = {**VALUE, "flipped": 0.25, "head_agrees": 0.75}


@pytest.mark.parametrize(
    ("contribution", "kind", "flipped"),
    [(CLASS, ClassContribution, {"plot": 0.25}), (VALUE, ValueContribution, {})],
)
def test_only_contributions_to_classes_have_flips(
    contribution: dict[str, float], kind: type, flipped: dict[str, float]
) -> None:
    document = {
        "model": "searched",
        "rows": 2,
        "decided": {"Drama": 2},
        "modalities": {"plot": contribution},
        "scores": {"accuracy": 0.5},
    }
    summary = PredictionSummary.model_validate(document)
    assert type(summary.modalities["plot"]) is kind
    assert summary.flipped == flipped
    assert json.loads(summary.model_dump_json()) == document


def test_half_of_what_classes_have_is_refused() -> None:
    contribution = {name: value for name, value in CLASS.items() if name != "head_agrees"}
    with pytest.raises(ValidationError, match=r"head_agrees\n *Field required"):
        PredictionSummary.model_validate({"rows": 2, "modalities": {"plot": contribution}, "scores": {}})
