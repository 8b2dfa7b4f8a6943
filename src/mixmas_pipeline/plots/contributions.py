"""The figure of the modalities' contributions to predictions."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from mixmas_pipeline.plots.style import CONTRIBUTIONS_HEIGHT, colours_of, styled


def contributions_figure(contributions: pd.DataFrame, summary: dict[str, Any]) -> go.Figure:
    """The distribution of each modality's contribution over the rows, as boxes. A label says how often the decision
    changes without the modality."""
    figure = go.Figure()
    colours = colours_of(contributions["modality"])
    for name, rows in contributions.groupby("modality", sort=False):
        flipped = summary["modalities"][name].get("flipped")
        label = str(name) if flipped is None else f"{name}<br>{flipped:.0%} flip without it"
        box = {"boxpoints": "outliers", "boxmean": True, "marker_color": colours[name]}
        figure.add_trace(go.Box(y=rows["contribution"], name=label, **box))
    values = "flipped" not in next(iter(summary["modalities"].values()), {"flipped": 0})
    figure.update_yaxes(title_text="value with it, less without it" if values else "probability with it, less without")
    figure.update_layout(showlegend=False)
    return styled(figure, "What each modality contributes to the decision", CONTRIBUTIONS_HEIGHT)
