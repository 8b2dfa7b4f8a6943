"""The figure of the reference models."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from mixmas_pipeline.plots import style
from mixmas_pipeline.plots.style import colours_of, styled


def references_figure(references: pd.DataFrame, network: Any) -> go.Figure:
    """Test scores with their 95 % intervals, the network on top, then the references from the best down.

    Args:
        references: one row per reference: model, modalities, metric, test, low, high.
        network: an object with the same attributes, of the trained network.
    """
    keys = ["model", "modalities", "test", "low", "high"]
    first = pd.DataFrame([{key: getattr(network, key) for key in keys}])
    rows = pd.concat([first, references[keys].sort_values("test", ascending=False, kind="stable")], ignore_index=True)
    colours = colours_of(rows["model"])
    figure = go.Figure()
    for model, group in rows.groupby("model", sort=False):
        error = {"array": group["high"] - group["test"], "arrayminus": group["test"] - group["low"]}
        figure.add_trace(
            go.Scatter(
                x=group["test"],
                y=group["model"] + ": " + group["modalities"],
                name=str(model),
                mode="markers",
                marker={"color": colours[str(model)], "size": style.PATTERN_MARKER},
                error_x={"type": "data", "symmetric": False, **error},
            )
        )
    order = list(rows["model"] + ": " + rows["modalities"])
    figure.update_yaxes(
        type="category", automargin=True, categoryorder="array", categoryarray=order, autorange="reversed"
    )
    figure.update_xaxes(title_text=f"test {references['metric'].iloc[0]}")
    figure.update_layout(showlegend=False)
    height = style.PATTERNS_HEIGHT + style.PATTERN_HEIGHT * len(rows)
    return styled(figure, "Test: the network and the reference models (95 % intervals)", height)
