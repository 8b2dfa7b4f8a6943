"""The figure of the labels' distribution."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mixmas_pipeline.plots import style
from mixmas_pipeline.plots.style import PALETTE, styled

_SHARE = {"title_text": "share of the split's rows", "tickformat": ".0%"}


def balance_figure(facts: dict[str, Any]) -> go.Figure:
    """Each class's share of each split's rows, as bars; for a regression, a histogram per target."""
    labels, rows = facts["labels"], facts["rows"]
    if "targets" in labels:
        return _histograms(labels["targets"], rows)
    figure = go.Figure(
        [
            go.Bar(
                x=list(counts),
                y=[n / rows[split] for n in counts.values()],
                name=split,
                marker_color=colour,
                hovertext=[f"{n} of {rows[split]}" for n in counts.values()],
            )
            for colour, (split, counts) in zip(PALETTE, labels["classes"].items(), strict=False)
        ]
    )
    figure.update_xaxes(type="category")
    return _labels_by_split(figure, style.BALANCE_HEIGHT)


def _histograms(targets: dict[str, Any], rows: dict[str, int]) -> go.Figure:
    names = list(targets["train"])
    figure = make_subplots(rows=len(names), cols=1, subplot_titles=names)
    for number, name in enumerate(names, start=1):
        for colour, (split, facts) in zip(PALETTE, targets.items(), strict=False):
            edges, shares = facts[name]["edges"], [n / rows[split] for n in facts[name]["histogram"]]
            line = {"color": colour, "shape": "hv"}
            figure.add_trace(
                go.Scatter(x=edges, y=[*shares, 0], name=split, line=line, legendgroup=split, showlegend=number == 1),
                row=number,
                col=1,
            )
    return _labels_by_split(figure, style.HISTOGRAMS_HEIGHT + style.HISTOGRAM_HEIGHT * len(names))


def _labels_by_split(figure: go.Figure, height: int) -> go.Figure:
    figure.update_yaxes(**_SHARE)
    return styled(figure, "Labels by split", height).update_layout(barmode="group")
