"""Each box has the contributions of its modality, and its label the share of flipped decisions."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mixmas_pipeline.plots.contributions import contributions_figure

CONTRIBUTIONS = pd.DataFrame({"modality": ["image", "audio"] * 3, "contribution": [0.1, -0.2, 0.3, 0.0, 0.5, 0.4]})


@pytest.mark.parametrize(
    ("facts", "labels", "axis"),
    [
        (
            [{"flipped": 0.25}, {"flipped": 0.5}],
            ["image<br>25% flip without it", "audio<br>50% flip without it"],
            "probab",
        ),
        ([{}, {}], ["image", "audio"], "value"),
    ],
    ids=["classes", "regression"],
)
def test_boxes(facts: list[dict[str, Any]], labels: list[str], axis: str) -> None:
    summary = {"modalities": dict(zip(("image", "audio"), facts, strict=True))}
    figure = contributions_figure(CONTRIBUTIONS, summary)
    assert [box.name for box in figure.data] == labels
    assert [list(box.y) for box in figure.data] == [[0.1, 0.3, 0.5], [-0.2, 0.0, 0.4]]
    assert figure.layout.yaxis.title.text.startswith(axis)
