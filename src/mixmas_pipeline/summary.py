"""The tables that a run ends with."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table


def print_summary(
    dataset: str,
    architecture: dict[str, Any] | None = None,
    leaderboard: pd.DataFrame | None = None,
    metrics: dict[str, Any] | None = None,
    sampling: dict[str, Any] | None = None,
    report: PurePath | None = None,
    console: Console | None = None,
) -> None:
    """Print what is given: sample sizes, leaderboards, the architecture, final scores, where the report is."""
    console = console or Console(width=None if Console().is_terminal else 130)
    if sampling is not None:
        sizes = f"trained on {sampling['sample']['rows']}, scored on {sampling['holdout']['rows']} others"
        console.print(f"{sampling['source']}: candidates {sizes} of {sampling['population']} training examples\n")
    if leaderboard is not None:
        for _stage, rows in leaderboard.groupby("stage", sort=False):
            console.print(_stage_table(dataset, rows))
            console.print(f"  {rows.loc[rows['chosen'], 'reason'].iloc[0]}\n")
    if architecture is not None:
        console.print(_architecture_table(dataset, architecture))
    if metrics is not None:
        console.print(_metrics_table(dataset, metrics))
    if report is not None:
        console.print(f"The report: {report}", soft_wrap=True)


def _stage_table(dataset: str, rows: pd.DataFrame) -> Table:
    stage = rows["stage"].iloc[0]
    extended = ", budget extended" if rows["extended"].iloc[0] else ""
    table = Table(title=f"{dataset}: {stage} ({rows['steps'].iloc[0]} steps{extended})", title_justify="left")
    table.add_column("candidate")
    for name in ("score", "spread", "chance", "parameters", "MFLOP/example", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in rows.itertuples():
        notes = [
            note
            for note, said in (
                ("chosen", row.chosen),
                ("tied", row.tied and rows["tied"].sum() > 1),
                ("at chance", not row.above_chance),
            )
            if said
        ]
        table.add_row(
            row.candidate,
            f"{row.mean:.3f}",
            f"{row.spread:.3f}",
            f"{row.chance:.3f}",
            f"{row.parameters:,}",
            f"{row.flops_per_example / 1e6:.2f}",
            f"{row.seconds:.1f}",
            ", ".join(notes),
            style="bold" if row.chosen else None,
        )
    return table


def _architecture_table(dataset: str, architecture: dict[str, Any]) -> Table:
    table = Table(title=f"{dataset}: chosen architecture", title_justify="left")
    for name in ("part", "block", "depth", "hyperparameters"):
        table.add_column(name)
    for modality, encoder in architecture["encoders"].items():
        tokeniser = " ".join(str(v) for v in encoder["tokeniser"].values())
        table.add_row(f"{modality} encoder", *_block(encoder), end_section=False)
        table.add_row("", "", "", f"{tokeniser}, hidden_dim {encoder['hidden_dim']}")
    if fusion := architecture.get("fusion"):
        table.add_row("fusion function", fusion["function"], "", "")
        table.add_row("fusion network", *_block(fusion["network"]))
    return table


def _block(part: dict[str, Any]) -> tuple[str, str, str]:
    block = part["block"]
    rest = ", ".join(f"{key} {value}" for key, value in block.items() if key != "block")
    return block["block"], str(part["depth"]), rest


def _metrics_table(dataset: str, metrics: dict[str, Any]) -> Table:
    table = Table(title=f"{dataset}: final scores", title_justify="left")
    table.add_column("")
    splits = [split for split in ("validation", "test") if split in metrics]
    for split in splits:
        table.add_column(split, justify="right")
    for row in metrics[splits[0]]:
        table.add_row(row, *(f"{metrics[split][row]:.4f}" for split in splits))
    return table
