"""The tables that a run ends with."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mixmas_pipeline.models.architecture import Architecture, Encoder, FusionNetwork
from mixmas_pipeline.pipelines.describe.page import told, verdict


def print_summary(
    dataset: str,
    architecture: Architecture | None = None,
    leaderboard: pd.DataFrame | None = None,
    metrics: dict[str, Any] | None = None,
    sampling: Any = None,
    report: PurePath | None = None,
    comparison: pd.DataFrame | None = None,
    agreement: pd.DataFrame | None = None,
    agreement_summary: Any = None,
    prediction_summary: dict[str, Any] | None = None,
    patterns: pd.DataFrame | None = None,
    findings: pd.DataFrame | None = None,
    description: dict[str, Any] | None = None,
    estimate: dict[str, Any] | None = None,
    description_page: PurePath | None = None,
    export_report: dict[str, Any] | None = None,
    exported: PurePath | None = None,
    console: Console | None = None,
) -> None:
    """Print what is given: sample sizes, leaderboards, the architecture, final scores, where the report is; the
    comparison with the baseline; how well the search chooses; what new rows were predicted from; where rows lack
    modalities, in training or in the test split, the scores of each set of them; what was found in the data, and what
    a search will take; what was exported, and where it is."""
    console = console or Console(width=None if Console().is_terminal else 130)
    if sampling is not None:
        sizes = f"trained on {sampling.sample.rows}, scored on {sampling.holdout.rows} others"
        console.print(f"{sampling.source}: candidates {sizes} of {sampling.population} training examples\n")
    if leaderboard is not None:
        for _stage, rows in leaderboard.groupby("stage", sort=False):
            console.print(_stage_table(dataset, rows))
            console.print(f"  {rows.loc[rows['chosen'], 'reason'].iloc[0]}\n")
    if architecture is not None:
        console.print(_architecture_table(dataset, architecture))
    if metrics is not None:
        console.print(_metrics_table(dataset, metrics))
    if patterns is not None and (patterns["trained_with_missing"].any() or patterns["rows"].iloc[1:].any()):
        console.print(_patterns_table(dataset, patterns))
    if comparison is not None:
        console.print(_comparison_table(dataset, comparison))
    if agreement is not None and agreement_summary is not None:
        console.print(_agreement_table(dataset, agreement))
        console.print(_agreement_text(agreement_summary))
    if prediction_summary is not None:
        console.print(_contributions_table(dataset, prediction_summary))
    if findings is not None and description is not None:
        _print_description(console, dataset, findings, description, estimate or {})
    if description_page is not None:
        console.print(f"The description: {description_page}", soft_wrap=True)
    if export_report is not None:
        console.print(_export_table(dataset, export_report))
    if exported is not None:
        console.print(f"The exported model: {exported}", soft_wrap=True)
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
                (f"dropped after {row.trials} seeds", row.dropped),
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


def _architecture_table(dataset: str, architecture: Architecture) -> Table:
    table = Table(title=f"{dataset}: chosen architecture", title_justify="left")
    for name in ("part", "block", "depth", "hyperparameters"):
        table.add_column(name)
    for modality, encoder in architecture.encoders.items():
        tokeniser = " ".join(str(v) for v in encoder.tokeniser.model_dump(mode="json").values())
        table.add_row(f"{modality} encoder", *_block(encoder), end_section=False)
        table.add_row("", "", "", f"{tokeniser}, hidden_dim {encoder.hidden_dim}")
    if fusion := architecture.fusion:
        table.add_row("fusion function", fusion.function, "", "")
        table.add_row("fusion network", *_block(fusion.network))
    return table


def _block(part: Encoder | FusionNetwork) -> tuple[str, str, str]:
    rest = ", ".join(f"{key} {value}" for key, value in part.block if key != "block")
    return part.block.block, str(part.depth), rest


def _metrics_table(dataset: str, metrics: dict[str, Any]) -> Table:
    table = Table(title=f"{dataset}: final scores", title_justify="left")
    table.add_column("")
    splits = [split for split in ("validation", "test") if split in metrics]
    for split in splits:
        table.add_column(split, justify="right")
    for row in dict.fromkeys(name for split in splits for name in metrics[split]):
        table.add_row(row, *(f"{metrics[split][row]:.4f}" if row in metrics[split] else "" for split in splits))
    return table


def _patterns_table(dataset: str, patterns: pd.DataFrame) -> Table:
    table = Table(title=f"{dataset}: test {patterns['metric'].iloc[0]} by what is there", title_justify="left")
    largest = patterns["modalities"].max()
    told = (patterns["rows"] > 0) | (patterns["modalities"] == 1) | (patterns["modalities"] >= largest - 1)
    if not told.all():
        table.caption = f"{len(patterns)} sets in all: see the report"
    table.add_column("modalities")
    for name in ("with exactly these", "score", "with these", "score, shown these only"):
        table.add_column(name, justify="right")
    for row in patterns[told].itertuples():
        scores = (f"{value:.4f}" if pd.notna(value) else "" for value in (row.score, row.score_when_masked))
        table.add_row(row.pattern, str(row.rows), next(scores), str(row.rows_with_more), next(scores))
    return table


def _comparison_table(dataset: str, comparison: pd.DataFrame) -> Table:
    metric, seeds = comparison["metric"].iloc[0], sum(c.startswith("seed_") for c in comparison)
    table = Table(title=f"{dataset}: test {metric}, mean of {seeds} seeds", title_justify="left")
    table.add_column("contender")
    for name in ("score", "spread", "less the baseline", "parameters", "MFLOP/example", "rate", "epochs", "seconds"):
        table.add_column(name, justify="right")
    for row in comparison.itertuples():
        if pd.isna(row.parameters):
            table.add_row(row.contender, f"{row.score:.4f}")
            continue
        table.add_row(
            row.contender,
            f"{row.score:.4f}",
            f"{row.spread:.4f}",
            f"{row.difference:+.4f} [{row.low:+.4f}, {row.high:+.4f}]" if row.contender != "baseline" else "",
            f"{row.parameters:,.0f}",
            f"{row.flops_per_example / 1e6:.2f}",
            f"{row.learning_rate:g}{' (edge)' if row.rate_at_edge else ''}",
            f"{row.epochs:.1f}",
            f"{row.seconds:.0f}",
        )
    published = comparison[comparison["published"].notna()]
    if len(published):
        scores = ", ".join(f"{row.contender} {row.published:.4f}" for row in published.itertuples())
        table.caption = f"published, on other data: {scores}"
    return table


def _contributions_table(dataset: str, summary: dict[str, Any]) -> Table:
    table = Table(title=f"{dataset}: {summary['rows']} rows predicted, without one modality each", title_justify="left")
    table.add_column("modality")
    for name in ("contribution", "mean size of it", "decisions that flip", "its head agrees"):
        table.add_column(name, justify="right")
    for modality, row in summary["modalities"].items():
        shares = [f"{row[key]:.1%}" if key in row else "" for key in ("flipped", "head_agrees")]
        table.add_row(modality, f"{row['mean_contribution']:+.4f}", f"{row['mean_absolute_contribution']:.4f}", *shares)
    if summary["scores"]:
        table.caption = "on these rows: " + ", ".join(f"{name} {v:.4f}" for name, v in summary["scores"].items())
    return table


def _print_description(
    console: Console, dataset: str, findings: pd.DataFrame, description: dict[str, Any], estimate: dict[str, Any]
) -> None:
    rows = ", ".join(f"{count:,} {split}" for split, count in description["rows"].items())
    console.print(f"{description['source']}: {rows} rows; {description['task']}")
    if len(findings):
        console.print(_findings_table(dataset, findings))
    console.print(verdict(findings.to_dict("records")), style="bold")
    for sentence in told(estimate, description).values() if estimate else ():
        console.print(sentence)


def _findings_table(dataset: str, findings: pd.DataFrame) -> Table:
    table = Table(title=f"{dataset}: findings", title_justify="left", show_lines=True)
    for name in ("", "where", "what", "what to do"):
        table.add_column(name, overflow="fold")
    for row in findings.itertuples():
        where = ": ".join(filter(None, (row.split, row.modality)))
        rows = f" ({row.rows})" if row.rows else ""
        style = {"error": "red", "warning": "yellow"}.get(row.severity)
        table.add_row(Text(row.severity, style or ""), Text(where), Text(row.what + rows), Text(row.advice))
    return table


def _export_table(dataset: str, report: dict[str, Any]) -> Table:
    size = f"{report['parameters']:,} parameters, {report['flops_per_example'] / 1e6:.2f} MFLOP/example"
    table = Table(title=f"{dataset}: exported, {size}", title_justify="left")
    table.add_column("form")
    for name in ("largest difference", "examples a call", "median ms", "90th percentile ms"):
        table.add_column(name, justify="right")
    for row in report["latency"]:
        differences = report["differences"].get(row["form"])
        said = f"{max(differences.values()):.1e}" if differences else ""
        table.add_row(row["form"], said, str(row["examples"]), f"{row['median_ms']:.3f}", f"{row['p90_ms']:.3f}")
    table.caption = f"{report['threads']} thread, {report['machine']['cpu']}"
    return table


def _agreement_table(dataset: str, agreement: pd.DataFrame) -> Table:
    table = Table(title=f"{dataset}: searches against full training of every combination", title_justify="left")
    table.add_column("method")
    columns = (
        "examples",
        "epochs",
        "learning rate",
        "seeds",
        "regret",
        "spread",
        "best chosen",
        "tau",
        "cost",
        "seconds",
    )
    for name in columns:
        table.add_column(name, justify="right")
    for row in agreement.sort_values(["method", "cost"]).itertuples():
        table.add_row(
            row.method,
            str(row.rows),
            str(row.epochs),
            f"{row.learning_rate:g}",
            str(row.seeds),
            f"{row.regret:.4f}",
            f"{row.regret_spread:.4f}",
            f"{row.top1:.0%}",
            f"{row.tau:.2f} ± {row.tau_spread:.2f}" if pd.notna(row.tau) else "",
            f"{row.cost:.2%}",
            f"{row.seconds:.0f}",
        )
    return table


def _agreement_text(summary: Any) -> str:
    pick = summary.recommended
    lines = (
        f"{summary.combinations} combinations, trained on {summary.rows} examples for {summary.epochs} epochs",
        f"  scores from {summary.worst_score:.3f} to {summary.best_score:.3f}",
        f"  noise of a seed {summary.noise:.3f}",
        f"  a choice at random loses {summary.random_regret:.4f}"
        + (f", M2-Mixer {m2:.4f}" if (m2 := summary.m2_mixer_regret) is not None else ""),
        "The cheapest stage-by-stage search that is as good as the best",
        f"  {pick.rows} examples, {pick.epochs} epochs, learning rate {pick.learning_rate:g}, "
        f"seeds: {pick.seeds} (sample.margin {pick.margin:.4f}, budget.steps {pick.steps})",
        f"  loses {pick.regret:.4f} at {pick.cost:.2%} of the cost of training every combination",
    )
    return "\n".join(lines)
