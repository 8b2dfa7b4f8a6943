"""What the section predict of the parameters may hold."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mixmas_pipeline.pipelines.predict.parameters import PredictParameters
from mixmas_pipeline.utils.parameters import check


def test_by_default_there_is_nothing_to_predict() -> None:
    parameters = check({}, "films.predict", PredictParameters)
    assert parameters.model_dump() == {"model": "searched", "rows": None, "sources": {}}
    with pytest.raises(ValidationError, match="frozen"):
        parameters.rows = "new.npz"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"row": "new.npz"}, r"films\.predict\.row: .* \(found: 'new.npz'\); did you mean rows\?"),
        ({"rows": 3}, r"films\.predict\.rows: Input should be a valid string \(found: 3\)"),
        ({"model": "tree"}, r"films\.predict\.model: Input should be 'searched', 'linear', 'trees' or 'recommended'"),
        ({"sources": {"plot": 3}}, r"films\.predict\.sources\.plot: Input should be a valid string \(found: 3\)"),
    ],
)
def test_a_mistake_names_its_key_and_what_was_expected(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(section, "films.predict", PredictParameters)
