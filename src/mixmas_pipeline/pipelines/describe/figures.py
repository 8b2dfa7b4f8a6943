"""The figure of how labels are spread."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLOURS = ("#2f6db5", "#d1702a", "#3b8f5a")


def balance_figure(facts: dict[str, Any]) -> go.Figure:
    """Each class's share of each split's rows, as bars; of a regression the histograms of every target."""
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
            for colour, (split, counts) in zip(COLOURS, labels["classes"].items(), strict=True)
        ]
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text="share of the split's rows", tickformat=".0%")
    return _styled(figure, 400)


def _histograms(targets: dict[str, Any], rows: dict[str, int]) -> go.Figure:
    names = list(targets["train"])
    figure = make_subplots(rows=len(names), cols=1, subplot_titles=names)
    for number, name in enumerate(names, start=1):
        for colour, (split, own) in zip(COLOURS, targets.items(), strict=True):
            edges, shares = own[name]["edges"], [n / rows[split] for n in own[name]["histogram"]]
            line = {"color": colour, "shape": "hv"}
            figure.add_trace(
                go.Scatter(x=edges, y=[*shares, 0], name=split, line=line, legendgroup=split, showlegend=number == 1),
                row=number,
                col=1,
            )
    figure.update_yaxes(title_text="share of the split's rows", tickformat=".0%")
    return _styled(figure, 100 + 300 * len(names))


def _styled(figure: go.Figure, height: int) -> go.Figure:
    return figure.update_layout(
        title="Labels by split",
        template="plotly_white",
        height=height,
        barmode="group",
        margin={"t": 80, "l": 60, "r": 20, "b": 50},
    )
