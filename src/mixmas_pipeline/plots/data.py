"""The figure of the labels' distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mixmas_pipeline.plots import style
from mixmas_pipeline.plots.style import PALETTE, styled

_SHARE = {"title_text": "share of the split's rows", "tickformat": ".0%"}


class Histogram(Protocol):
    """Edges of bins, and the rows per bin."""

    @property
    def edges(self) -> Sequence[float]: ...
    @property
    def histogram(self) -> Sequence[int]: ...


def class_balance_figure(classes: Mapping[str, Mapping[str, int]], rows: Mapping[str, int]) -> go.Figure:
    """Each class's share of each split's rows, as bars.

    Args:
        classes: split -> class -> examples.
        rows: split -> rows.
    """
    figure = go.Figure(
        [
            go.Bar(
                x=style.literal(counts),
                y=[n / rows[split] for n in counts.values()],
                name=split,
                marker_color=colour,
                hovertext=[f"{n} of {rows[split]}" for n in counts.values()],
            )
            for colour, (split, counts) in zip(PALETTE, classes.items(), strict=False)
        ]
    )
    figure.update_xaxes(type="category")
    return _labels_by_split(figure, style.BALANCE_HEIGHT)


def target_histograms(targets: Mapping[str, Mapping[str, Histogram]], rows: Mapping[str, int]) -> go.Figure:
    """A histogram per regression target, with a line per split.

    Args:
        targets: split -> target -> histogram.
        rows: split -> rows.
    """
    names = list(targets["train"])
    figure = make_subplots(rows=len(names), cols=1, subplot_titles=style.literal(names))
    for number, name in enumerate(names, start=1):
        for colour, (split, histograms) in zip(PALETTE, targets.items(), strict=False):
            shares = [n / rows[split] for n in histograms[name].histogram]
            line = {"color": colour, "shape": "hv"}
            figure.add_trace(
                go.Scatter(
                    x=list(histograms[name].edges),
                    y=[*shares, 0],
                    name=split,
                    line=line,
                    legendgroup=split,
                    showlegend=number == 1,
                ),
                row=number,
                col=1,
            )
    return _labels_by_split(figure, style.HISTOGRAMS_HEIGHT + style.HISTOGRAM_HEIGHT * len(names))


def _labels_by_split(figure: go.Figure, height: int) -> go.Figure:
    figure.update_yaxes(**_SHARE)
    return styled(figure, "Labels by split", height).update_layout(barmode="group")
