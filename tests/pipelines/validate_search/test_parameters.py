"""Parameters of the validation of the search: what is refused, by its key."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mixmas_pipeline.pipelines.validate_search.parameters import ValidateSearchParameters

TRUTH = {"rows": 100, "learning_rate": 0.01}
PROXY = {"rows": [50], "learning_rates": [0.01], "seeds": [1, 2]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truth": {**TRUTH, "rows": 1}}, r"truth.rows\n.*greater than or equal to 2"),
        ({"truth": {**TRUTH, "seeds": [100]}}, r"truth.seeds\n.*at least 2 items"),
        ({"truth": {**TRUTH, "seeds": [7, 7]}}, r"truth.seeds\n.*repeats one"),
        ({"proxy": {**PROXY, "rows": []}}, r"proxy.rows\n.*at least 1 item"),
        ({"proxy": {**PROXY, "rows": [50, 1]}}, r"proxy.rows.1\n.*greater than or equal to 2"),
        ({"proxy": {**PROXY, "epochs": [4, 4]}}, r"proxy.epochs\n.*repeats one"),
        ({"proxy": {**PROXY, "learning_rates": [0]}}, r"proxy.learning_rates.0\n.*greater than 0"),
        ({"proxy": {**PROXY, "replicates": 1}}, r"proxy.replicates\n.*greater than or equal to 2"),
        ({"space": {"plot": []}}, r"space.plot\n.*at least 1 item"),
        ({"space": {"plot": ["a", "a"]}}, r"space.plot\n.*repeats one"),
        ({"prox": PROXY}, r"prox\n.*Extra inputs are not permitted"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    good = {"truth": TRUTH, "proxy": PROXY}
    ValidateSearchParameters.model_validate(good)
    with pytest.raises(ValidationError, match=message):
        ValidateSearchParameters.model_validate({**good, **changes})
