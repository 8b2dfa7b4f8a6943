"""The figure of the comparison with the baseline."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from mixmas_pipeline.plots.style import COMPARISON_HEIGHT, PALETTE, PUBLISHED_OPACITY, literal, score_range, styled


def comparison_figure(comparison: pd.DataFrame) -> go.Figure:
    """Test scores of the contenders as bars, error bars over seeds; hatched: published scores, on other data."""
    (source,), metric = literal(comparison["source"].iloc[:1]), comparison["metric"].iloc[0]
    figure = go.Figure()
    for colour, row in zip(PALETTE, comparison.itertuples(), strict=False):
        name = row.contender.replace("_", " ")
        spread = [row.spread] if pd.notna(row.spread) else None
        error = {"type": "data", "array": spread} if spread else None
        bar = _bar(source, row.score, name, row.contender, error_y=error, marker_color=colour)
        figure.add_trace(bar)
        if pd.notna(row.published):
            marker = {"color": colour, "pattern": {"shape": "/"}, "opacity": PUBLISHED_OPACITY}
            where = "published, on other data"
            figure.add_trace(_bar(where, row.published, f"{name}, published", row.contender, marker=marker))
    figure.update_yaxes(range=score_range(comparison["score"]), title_text=f"test {metric}")
    figure.update_layout(barmode="group")
    title = "Searched architecture and baseline: test score (± standard deviation over seeds)"
    return styled(figure, title, COMPARISON_HEIGHT)


def _bar(x: str, score: float, name: str, group: str, **look: Any) -> go.Bar:
    return go.Bar(
        x=[x], y=[score], name=name, offsetgroup=group, text=[f"{score:.3f}"], insidetextanchor="middle", **look
    )
