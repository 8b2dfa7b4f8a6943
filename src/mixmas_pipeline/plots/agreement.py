"""Figures of the validation of the search: what a search loses, and whether its order agrees with full training."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mixmas_pipeline.plots import style
from mixmas_pipeline.plots.style import PALETTE, styled

_COST = "cost: share of the FLOPs of training every combination"


def regret_figure(
    agreement: pd.DataFrame, source: str, random_regret: float, m2_mixer_regret: float | None
) -> go.Figure:
    """Mean regret of every budget against its cost, by method; error bars are standard errors over replicates."""
    figure = go.Figure()
    for colour, (method, rows) in zip(PALETTE, agreement.groupby("method", sort=False), strict=False):
        rows = rows.sort_values("cost")
        figure.add_trace(
            go.Scatter(
                x=rows["cost"],
                y=rows["regret"],
                error_y={"type": "data", "array": rows["regret_spread"] / rows["replicates"] ** 0.5},
                mode="markers",
                name=method,
                marker={"color": colour, "size": style.BUDGET_MARKER},
                hovertext=_budget_names(rows),
            )
        )
    line = {"line_color": style.REFERENCE_LINE}
    figure.add_hline(y=random_regret, line_dash="dot", annotation_text="a choice at random", **line)
    if m2_mixer_regret is not None:
        figure.add_hline(y=m2_mixer_regret, line_dash="dash", annotation_text="M2-Mixer, no search", **line)
    figure.add_hline(y=0, line_color=style.ZERO_LINE)
    figure.update_xaxes(type="log", title_text=_COST)
    figure.update_yaxes(title_text="regret: score lost by the choice")
    return styled(figure, f"{source}: what a search loses, and what it costs", style.REGRET_HEIGHT)


def tau_figure(agreement: pd.DataFrame) -> go.Figure:
    """Kendall's tau between micro-benchmark and truth, per stage, for every budget of the stage-by-stage search."""
    rows = agreement[agreement["method"] == "stage by stage"].sort_values("cost")
    columns = [c for c in rows if c.startswith("tau") and c != "tau_spread"]
    figure = go.Figure(
        [
            go.Scatter(
                x=rows["cost"],
                y=rows[column],
                name=column.removeprefix("tau_").replace("_", " ") if column != "tau" else "mean of the stages",
                mode="lines+markers",
                line={"color": colour, "width": style.MEAN_LINE if column == "tau" else style.LINE},
                hovertext=_budget_names(rows),
            )
            for colour, column in zip(PALETTE, columns, strict=False)
        ]
    )
    figure.update_xaxes(type="log", title_text=_COST)
    figure.update_yaxes(title_text="Kendall's tau with full training", range=[-1.05, 1.05])
    return styled(figure, "Does the micro-benchmark's order agree with that of full training?", style.TAU_HEIGHT)


def _budget_names(rows: pd.DataFrame) -> list[str]:
    return [
        f"{row.rows} examples, {row.epochs} epochs, learning rate {row.learning_rate:g}, {row.seeds} seeds"
        for row in rows.itertuples()
    ]
