"""Parameters of the references that are refused."""

from __future__ import annotations

import pytest

from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters


def test_parameters_that_make_no_sense_are_refused() -> None:
    for change, message in (
        ({"kinds": ["linear", "linear"]}, "repeats one"),
        ({"kinds": ["forest"]}, "kinds"),
        ({"max_rows": 1}, "max_rows"),
        ({"resamples": 5}, "resamples"),
        ({"enabled": False}, "Extra inputs"),
    ):
        with pytest.raises(ValueError, match=message):
            ReferenceParameters.model_validate(change)
    assert ReferenceParameters.model_validate({"kinds": []}).kinds == ()
