"""Figures of the search show the leaderboard's numbers, each candidate in one colour."""

from __future__ import annotations

import pandas as pd
import pytest

from mixmas_pipeline.plots.search import candidate_curves, leaderboard_figure

ROWS = [
    ("image", "ramlp", 0.7, 0.01, 2_000_000, True),
    ("image", "mlp_mixer", 0.6, 0.02, 4_000_000, False),
    ("audio", "mlp_mixer", 0.5, 0.03, 8_000_000, True),
]
LEADERBOARD = pd.DataFrame(
    ROWS, columns=["stage", "candidate", "mean", "spread", "flops_per_example", "chosen"]
).assign(parameters=1234, seconds=5.4)


def test_scores_stand_over_their_cost_and_the_chosen_candidate_is_a_star() -> None:
    figure = leaderboard_figure(LEADERBOARD, "f1_macro")
    assert [title.text for title in figure.layout.annotations] == ["image", "audio"]
    drawn = [(t.name, t.y[0], t.error_y.array[0], 1e6 * t.x[0], t.marker.symbol == "star") for t in figure.data]
    assert drawn == [tuple(row[1:]) for row in ROWS]
    assert [trace.xaxis for trace in figure.data] == ["x", "x", "x2"]
    assert figure.data[0].hovertext == "ramlp: 0.700 ± 0.010, 1,234 parameters, 5 s"
    assert figure.layout.yaxis.title.text == "held-out f1_macro"


def test_a_candidate_of_two_stages_has_one_colour_and_one_entry_in_the_legend() -> None:
    first, second = (trace for trace in leaderboard_figure(LEADERBOARD, "accuracy").data if trace.name == "mlp_mixer")
    assert first.marker.color == second.marker.color
    assert (first.showlegend, second.showlegend) == (True, False)


def test_every_point_is_within_its_axis() -> None:
    figure = leaderboard_figure(LEADERBOARD, "accuracy")
    for trace, axis in zip(figure.data, (figure.layout.xaxis, figure.layout.xaxis, figure.layout.xaxis2), strict=True):
        assert axis.range[0] < trace.x[0] < axis.range[1]


def test_curves_are_means_over_the_seeds() -> None:
    losses = pd.DataFrame(
        [
            ("image", "ramlp", seed, step, loss)
            for seed, step, loss in ((0, 1, 2.0), (0, 2, 1.0), (1, 1, 4.0), (1, 2, 2.0))
        ]
        + [("audio", "ramlp", 0, 1, 9.0)],
        columns=["stage", "candidate", "seed", "step", "loss"],
    )
    image, audio = candidate_curves(losses).data
    assert list(image.x) == [1, 2]
    assert list(image.y) == pytest.approx([3.0, 1.5])
    assert list(audio.y) == [9.0]
    assert (image.showlegend, audio.showlegend) == (True, False)
