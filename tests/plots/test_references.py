"""The points of the figure are the scores, with their intervals; the network is on top."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from mixmas_pipeline.plots.references import references_figure

REFERENCES = pd.DataFrame(
    {
        "model": ["linear", "linear", "trees"],
        "modalities": ["a + b", "a", "a + b"],
        "metric": "accuracy",
        "test": [0.8, 0.6, 0.7],
        "low": [0.7, 0.5, 0.6],
        "high": [0.85, 0.75, 0.8],
    }
)
NETWORK = SimpleNamespace(model="network", modalities="a + b", test=0.75, low=0.7, high=0.8)


def test_every_model_has_a_point_and_an_interval() -> None:
    figure = references_figure(REFERENCES, NETWORK)
    assert list(figure.layout.yaxis.categoryarray) == ["network: a + b", "linear: a + b", "trees: a + b", "linear: a"]
    points = {y: x for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True)}
    assert points == {"network: a + b": 0.75, "linear: a + b": 0.8, "trees: a + b": 0.7, "linear: a": 0.6}
    (linear,) = [trace for trace in figure.data if trace.name == "linear"]
    assert [round(e, 6) for e in linear.error_x.array] == [0.05, 0.15]
    assert [round(e, 6) for e in linear.error_x.arrayminus] == [0.1, 0.1]
    assert figure.layout.xaxis.title.text == "test accuracy"
