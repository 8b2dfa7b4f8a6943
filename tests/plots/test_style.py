"""The shared parts of figures: colours, panels, the score axis, and that no figure has a colour of its own."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from nasty_names import NASTY

from mixmas_pipeline.plots import calibration, data, style, training

KINDS = ("label", "predicted", "error")


def test_a_name_keeps_its_colour_and_names_beyond_the_palette_start_over() -> None:
    names = [f"n{i}" for i in range(len(style.PALETTE) + 1)]
    colours = style.colours_of([*names, "n1"])
    assert colours["n1"] == style.PALETTE[1]
    assert colours[names[-1]] == style.PALETTE[0]
    assert list(colours) == names


def strings(value: Any) -> Iterator[str]:
    """Every text in a figure, as it is sent to the browser."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def test_names_from_data_are_shown_as_they_are() -> None:
    """plotly reads text as HTML: a name would become bold, a link, or nothing."""
    names = list(NASTY)
    labels = pd.DataFrame({"id": names, "label": names, "predicted": names})
    targets = pd.DataFrame({"id": names} | {f"{k}_{n}": [1.0] * len(names) for k in KINDS for n in names})
    scores = pd.DataFrame({"class": names, "precision": 0.5, "recall": 0.5, "f1": 0.5})
    histogram = SimpleNamespace(edges=[0.0, 1.0], histogram=[3])
    figures = (
        training.confusion_figure(labels, names, "multiclass"),
        training.class_figure(scores),
        training.truth_figure(targets, names),
        training.error_figure(targets, names),
        calibration.error_histogram(targets, names),
        data.class_balance_figure({"train": dict.fromkeys(names, 1)}, {"train": 9}),
        data.target_histograms({"train": dict.fromkeys(names, histogram)}, {"train": 9}),
    )
    for figure in figures:
        sent = set(strings(json.loads(figure.to_json())))
        assert set(names) <= {html.unescape(text) for text in sent}
        assert not {text for text in sent if "<script>" in text or "<b>" in text}


@pytest.mark.parametrize(("number", "last"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 1)), (8, (4, 2))])
def test_panels_fill_rows_of_two(number: int, last: tuple[int, int]) -> None:
    titles = [f"stage {i}" for i in range(number)]
    figure, panel = style.panels(titles)
    assert [annotation.text for annotation in figure.layout.annotations] == titles
    assert (panel[titles[-1]]["row"], panel[titles[-1]]["col"]) == last
    assert len({tuple(where.values()) for where in panel.values()}) == number


@pytest.mark.parametrize(("scores", "low"), [([0.2, 0.9], 0.0), ([-0.5, 0.9], -0.55), ([-7.0], -1.0)])
def test_score_axis_ends_at_one_and_shows_no_score_below_minus_one(scores: list[float], low: float) -> None:
    assert style.score_range(scores) == pytest.approx([low, 1.0])


def test_colours_are_written_in_one_file() -> None:
    modules = Path(style.__file__).parent.glob("*.py")
    with_colours = [m.name for m in modules if re.search(r"[\"']#[0-9a-fA-F]{3,6}[\"']", m.read_text(encoding="utf-8"))]
    assert with_colours == ["style.py"]
