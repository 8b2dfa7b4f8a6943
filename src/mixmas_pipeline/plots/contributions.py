"""The figure of the modalities' contributions to predictions."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from mixmas_pipeline.plots.style import CONTRIBUTIONS_HEIGHT, colours_of, styled


def contributions_figure(contributions: pd.DataFrame, flipped: Mapping[str, float]) -> go.Figure:
    """The distribution of each modality's contribution over the rows, as boxes.

    Args:
        contributions: one row per example, class or target, and modality.
        flipped: modality -> share of the decisions that change without it, for the label; empty for a regression.
    """
    figure = go.Figure()
    colours = colours_of(contributions["modality"])
    for name, rows in contributions.groupby("modality", sort=False):
        label = f"{name}<br>{flipped[str(name)]:.0%} flip without it" if flipped else str(name)
        box = {"boxpoints": "outliers", "boxmean": True, "marker_color": colours[name]}
        figure.add_trace(go.Box(y=rows["contribution"], name=label, **box))
    quantity = "value" if len(contributions) and not flipped else "probability"
    figure.update_yaxes(title_text=f"{quantity} with it, less without")
    figure.update_layout(showlegend=False)
    return styled(figure, "What each modality contributes to the decision", CONTRIBUTIONS_HEIGHT)
