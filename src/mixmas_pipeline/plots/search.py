"""Figures of the search: the candidates' scores against their cost, and their training losses."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mixmas_pipeline.plots.style import CHOSEN_MARKER, MARKER, SEARCH_HEIGHT, colours_of, panels, styled


def leaderboard_figure(leaderboard: pd.DataFrame, metric: str) -> go.Figure:
    """Score against FLOPs per example, one panel per stage. Bars: spread over the seeds; star: the chosen candidate."""
    stages = list(leaderboard["stage"].unique())
    colours = colours_of(leaderboard["candidate"])
    figure, panel = panels(stages)
    in_legend: set[str] = set()
    for stage in stages:
        rows = leaderboard[leaderboard["stage"] == stage]
        for row in rows.itertuples():
            text = f"{row.mean:.3f} ± {row.spread:.3f}, {row.parameters:,} parameters, {row.seconds:.0f} s"
            figure.add_trace(
                go.Scatter(
                    x=[row.flops_per_example / 1e6],
                    y=[row.mean],
                    error_y={"type": "data", "array": [row.spread]},
                    mode="markers",
                    marker={
                        "size": CHOSEN_MARKER if row.chosen else MARKER,
                        "symbol": "star" if row.chosen else "circle",
                        "color": colours[row.candidate],
                    },
                    name=row.candidate,
                    legendgroup=row.candidate,
                    showlegend=row.candidate not in in_legend,
                    hovertext=f"{row.candidate}: {text}",
                ),
                **panel[stage],
            )
            in_legend.add(row.candidate)
        low, high = rows["flops_per_example"].min() / 1e6, rows["flops_per_example"].max() / 1e6
        margin = max(0.3 * (high - low), 0.1 * high)
        figure.update_xaxes(title_text="MFLOP an example", range=[low - margin, high + margin], **panel[stage])
    figure.update_yaxes(title_text=f"held-out {metric}", col=1)
    title = "Candidates: score (± standard deviation over seeds) against cost; star: chosen"
    return styled(figure, title, SEARCH_HEIGHT)


def candidate_curves(losses: pd.DataFrame) -> go.Figure:
    """Training loss of every candidate by step, mean over the seeds, one panel per stage."""
    colours = colours_of(losses["candidate"])
    figure, panel = panels(list(losses["stage"].unique()))
    in_legend: set[str] = set()
    for (stage, name), rows in losses.groupby(["stage", "candidate"], sort=False):
        mean = rows.groupby("step")["loss"].mean()
        figure.add_trace(
            go.Scatter(
                x=mean.index,
                y=mean,
                name=name,
                legendgroup=name,
                showlegend=name not in in_legend,
                line={"color": colours[name]},
            ),
            **panel[stage],
        )
        in_legend.add(name)
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text="training loss", col=1)
    return styled(figure, "Candidates: training loss", SEARCH_HEIGHT)
