"""The bars of the comparison are its scores; published scores stand apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixmas_pipeline.plots.comparison import comparison_figure

COMPARISON = pd.DataFrame(
    {
        "source": "digits",
        "metric": "accuracy",
        "contender": ["baseline", "searched", "most_frequent"],
        "score": [0.71, 0.75, 0.1],
        "spread": [0.01, 0.02, np.nan],
        "published": [0.99, np.nan, np.nan],
    }
)


def test_a_bar_per_contender_with_its_spread() -> None:
    figure = comparison_figure(COMPARISON)
    bars = [bar for bar in figure.data if list(bar.x) == ["digits"]]
    assert [(bar.name, bar.y[0], bar.text[0]) for bar in bars] == [
        ("baseline", 0.71, "0.710"),
        ("searched", 0.75, "0.750"),
        ("most frequent", 0.1, "0.100"),
    ]
    assert [bar.error_y.array for bar in bars] == [(0.01,), (0.02,), None]
    assert len({bar.marker.color for bar in bars}) == 3
    assert figure.layout.yaxis.title.text == "test accuracy"


def test_the_source_is_shown_as_it_is() -> None:
    figure = comparison_figure(COMPARISON.assign(source="<b>digits</b>"))
    assert list(figure.data[0].x) == ["&lt;b&gt;digits&lt;/b&gt;"]


def test_published_scores_are_hatched_and_have_their_contenders_colour() -> None:
    bars = comparison_figure(COMPARISON).data
    (published,) = [bar for bar in bars if bar.name == "baseline, published"]
    assert (list(published.x), published.y[0]) == (["published, on other data"], 0.99)
    assert published.marker.pattern.shape == "/"
    assert published.marker.color == bars[0].marker.color
