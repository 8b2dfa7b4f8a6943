"""Each box has the contributions of its modality, and its label the share of flipped decisions."""

from __future__ import annotations

import pandas as pd
import pytest

from mixmas_pipeline.plots.contributions import contributions_figure

CONTRIBUTIONS = pd.DataFrame({"modality": ["image", "audio"] * 3, "contribution": [0.1, -0.2, 0.3, 0.0, 0.5, 0.4]})


@pytest.mark.parametrize(
    ("flipped", "labels", "axis"),
    [
        ({"image": 0.25, "audio": 0.5}, ["image<br>25% flip without it", "audio<br>50% flip without it"], "probab"),
        ({}, ["image", "audio"], "value"),
    ],
    ids=["classes", "regression"],
)
def test_boxes(flipped: dict[str, float], labels: list[str], axis: str) -> None:
    figure = contributions_figure(CONTRIBUTIONS, flipped)
    assert [box.name for box in figure.data] == labels
    assert [list(box.y) for box in figure.data] == [[0.1, 0.3, 0.5], [-0.2, 0.0, 0.4]]
    assert figure.layout.yaxis.title.text.startswith(axis)
