"""Parameters of MIMIC-III: what is refused, and the names of the classes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mixmas_pipeline.pipelines.data.mimic.parameters import ExtractionParameters, LabelParameters, SplitParameters


@pytest.mark.parametrize("edges", [(48, 24), (24, 24), (0, 24), ()])
def test_edges_increase(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="edges"):
        LabelParameters(edges=edges)


def test_parameters_in_range() -> None:
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        SplitParameters(seed=0, validation=0.5, test=0.5)
    with pytest.raises(ValidationError, match="memory_limit"):
        ExtractionParameters(memory_limit="lots")
    assert LabelParameters(edges=(12, 720, 8760)).classes == (
        *("within 12 hours", "12 hours to 30 days", "30 days to 1 year"),
        "over 1 year or alive",
    )
