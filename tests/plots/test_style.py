"""The shared parts of figures: colours, panels, the score axis, and that no figure has a colour of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mixmas_pipeline.plots import style


def test_a_name_keeps_its_colour_and_names_beyond_the_palette_start_over() -> None:
    names = [f"n{i}" for i in range(len(style.PALETTE) + 1)]
    colours = style.colours_of([*names, "n1"])
    assert colours["n1"] == style.PALETTE[1]
    assert colours[names[-1]] == style.PALETTE[0]
    assert list(colours) == names


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
