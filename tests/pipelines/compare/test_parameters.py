"""Parameters of the comparison that are refused."""

from __future__ import annotations

import pytest
from compare_samples import COMPARE

from mixmas_pipeline.pipelines.compare.parameters import CompareParameters


def test_parameters_that_make_no_sense_are_refused() -> None:
    good = COMPARE.model_dump()
    for change, message in (
        ({"tuning_seed": 1}, "tuning_seed 1 is among the seeds"),
        ({"seeds": (3, 3)}, "repeats one"),
        ({"learning_rates": (0.1, 0.1)}, "repeats one"),
        ({"published": {"ours": 0.9}}, "published"),
    ):
        with pytest.raises(ValueError, match=message):
            CompareParameters.model_validate({**good, **change})
