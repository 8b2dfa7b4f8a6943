"""The tables and sentences that end a run: one function per kind of artefact."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from mixmas_pipeline.datasets.document import DocumentDataset
from mixmas_pipeline.hooks import data_sets
from mixmas_pipeline.models.architecture import Architecture, Encoder, FusionNetwork, Tokeniser
from mixmas_pipeline.plots.text import estimate_sentences, findings_verdict

# Columns, where the output is no terminal.
_WIDTH = 130
_MOST_FINDINGS, _MOST_CHECKS, _MOST_CLASSES = 20, 5, 10  # in the terminal
_FIRST_ROWS, _MOST_COLUMNS = 5, 8  # of predictions
# Kind of artefact -> what the line with its path begins with.
_PATHS = {
    "description_page": "The description",
    "exported": "The exported model",
    "predicted": "The predictions",
    "report": "The report",
}


def summarise(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Print what a run has made or reused: each data set's tables, then the paths of pages and exported models."""
    outputs = pipeline.all_outputs()
    for dataset in data_sets(pipeline):
        kinds = {kind for needed in RENDERERS for kind in needed if f"{dataset}.{kind}" in outputs}
        print_summary(dataset, {kind: _load(catalog, f"{dataset}.{kind}") for kind in sorted(kinds)})
        for kind, label in _PATHS.items():
            if (name := f"{dataset}.{kind}") in outputs:
                artefact: Any = catalog.get(name)
                _console().print(f"{label}: {artefact._get_load_path()}", soft_wrap=True)


def _load(catalog: CatalogProtocol, name: str) -> Any:
    """A result to print. A run that reuses everything imports no torch, so no block is imported here."""
    artefact: Any = catalog.get(name)
    return artefact.load_to_show() if isinstance(artefact, DocumentDataset) else artefact.load()


def print_summary(dataset: str, results: Mapping[str, Any]) -> None:
    """Call each renderer whose artefacts are among the results, in the order of ``RENDERERS``, and print its output.

    Args:
        dataset: its name, for the titles.
        results: kind -> artefact; a kind is a catalog name without the data set.
    """
    console = _console()
    for kinds, render in RENDERERS.items():
        if all(kind in results for kind in kinds):
            for part in render(dataset, *(results[kind] for kind in kinds)):
                console.print(part)


def render_sampling(dataset: str, sampling: Any) -> Iterator[str]:
    """Sizes of the search's samples."""
    sizes = f"trained on {sampling.sample.rows}, scored on {sampling.holdout.rows} others"
    positive = f"; positive class: {sampling.positive}" if sampling.positive else ""
    yield f"{sampling.source}: candidates {sizes} of {sampling.population} training examples{positive}\n"


def render_leaderboard(dataset: str, leaderboard: pd.DataFrame) -> Iterator[RenderableType]:
    """A table per stage of the search, and the reason for its choice."""
    for _stage, rows in leaderboard.groupby("stage", sort=False):
        yield _stage_table(dataset, rows)
        yield f"  {rows.loc[rows['chosen'], 'reason'].iloc[0]}\n"


def _stage_table(dataset: str, rows: pd.DataFrame) -> Table:
    extended = ", budget extended" if rows["extended"].iloc[0] else ""
    numbers = ("score", "spread", "chance", "parameters", "MFLOP/example", "seconds")
    title = f"{dataset}: {rows['stage'].iloc[0]} ({rows['steps'].iloc[0]} steps{extended})"
    table = _table(title, ["candidate"], numbers, [""])
    has_tie = rows["tied"].sum() > 1
    for row in rows.itertuples():
        notes = {
            "chosen": row.chosen,
            "tied": row.tied and has_tie,
            "at chance": not row.above_chance,
            f"dropped after {row.trials} seeds": row.dropped,
        }
        table.add_row(
            row.candidate,
            f"{row.mean:.3f}",
            f"{row.spread:.3f}",
            f"{row.chance:.3f}",
            f"{row.parameters:,}",
            f"{row.flops_per_example / 1e6:.2f}",
            f"{row.seconds:.1f}",
            ", ".join(note for note, applies in notes.items() if applies),
            style="bold" if row.chosen else None,
        )
    return table


def render_architecture(dataset: str, architecture: Architecture) -> Iterator[Table]:
    """The chosen architecture, part by part."""
    table = _table(f"{dataset}: chosen architecture", ["part", "block", "depth", "hyperparameters"])
    for modality, encoder in architecture.encoders.items():
        table.add_row(f"{modality} encoder", *_block_cells(encoder))
        table.add_row("", "", "", f"{_tokeniser_cell(encoder.tokeniser)}, hidden_dim {encoder.hidden_dim}")
    if fusion := architecture.fusion:
        table.add_row("fusion function", fusion.function, "", "")
        table.add_row("fusion network", *_block_cells(fusion.network))
    yield table


def _tokeniser_cell(tokeniser: Tokeniser) -> str:
    """Type of a tokeniser, and its settings that are not off."""
    settings = tokeniser.model_dump(mode="json", exclude={"type"})
    shown = [f"{value}" if key == "patch" else f"{key} {value}" for key, value in settings.items() if value]
    return " ".join([tokeniser.type, *shown])


def _block_cells(part: Encoder | FusionNetwork) -> tuple[str, str, str]:
    """Name, depth and hyperparameters of an encoder's or network's block."""
    rest = ", ".join(f"{key} {value}" for key, value in part.block if key != "block")
    return part.block.block, str(part.depth), rest


def render_metrics(dataset: str, metrics: dict[str, dict[str, float]]) -> Iterator[RenderableType]:
    """The final scores on held-out and test rows, and the intervals of those of the test split."""
    # Not "validation": the rows that a member of an ensemble has not seen are of both splits.
    titles = {"validation": "held out", "test": "test"}
    splits = [split for split in titles if split in metrics]
    table = _table(f"{dataset}: final scores", [""], [*map(titles.__getitem__, splits), "95 % interval"])
    low, high = metrics.get("test_low", {}), metrics.get("test_high", {})
    for row in dict.fromkeys(name for split in splits for name in metrics[split]):
        interval = f"{_number(low[row], 3)} to {_number(high[row], 3)}" if row in low else ""
        cells = (_number(metrics[split][row], 4) if row in metrics[split] else "" for split in splits)
        table.add_row(row, *cells, interval)
    yield table
    for name, share in metrics.get("positive_class", {}).items():
        yield Text(f"  Positive class: {name} ({share:.0%} of the test rows); sensitivity is its recall")
        if weighted := metrics.get("decision_weights"):
            negative, positive = weighted.values()
            yield Text(f"  Decided {name} from a probability of {negative / (negative + positive):.2f}")
    if weights := metrics.get("weights"):
        shares = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
        networks = sum(weight for name, weight in weights.items() if name not in ("linear", "trees"))
        alone = "; its networks decide nothing, for the references were as good on held-out rows"
        yield Text(f"  Weights in the ensemble: {shares}{alone if networks == 0 else ''}")


def _number(value: float, digits: int) -> str:
    """The value with this many digits after the point; as 1.2e-05 if all these digits are 0."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        return f"{value:.1e}" if abs(value) > 1e-12 else text.removeprefix("-")
    return text


def render_patterns(dataset: str, patterns: pd.DataFrame) -> Iterator[Table]:
    """Test scores by the modalities that are present; nothing if every row has every modality."""
    if not (patterns["trained_with_missing"].any() or patterns["rows"].iloc[1:].any()):
        return
    columns = ("with exactly these", "score", "with these", "score, shown these only")
    table = _table(f"{dataset}: test {patterns['metric'].iloc[0]} by the modalities present", ["modalities"], columns)
    largest = patterns["modalities"].max()
    shown = (patterns["rows"] > 0) | (patterns["modalities"] == 1) | (patterns["modalities"] >= largest - 1)
    if not shown.all():
        table.caption = f"{len(patterns)} sets in all: see the report"
    for row in patterns[shown].itertuples():
        exact, masked = (f"{v:.4f}" if pd.notna(v) else "" for v in (row.score, row.score_when_masked))
        table.add_row(row.pattern, str(row.rows), exact, str(row.rows_with_more), masked)
    yield table


def render_comparison(dataset: str, comparison: pd.DataFrame) -> Iterator[Table]:
    """The contenders' test scores, with the interval of the difference to the baseline."""
    seeds = sum(column.startswith("seed_") for column in comparison)
    numbers = ("score", "spread", "less the baseline", "parameters", "MFLOP/example", "rate", "epochs", "seconds")
    title = f"{dataset}: test {_metric(comparison)}, mean of {seeds} seeds"
    table = _table(title, ["contender"], numbers)
    for row in comparison.itertuples():
        if pd.isna(row.parameters):
            table.add_row(row.contender, f"{row.score:.4f}")
            continue
        is_network = pd.notna(row.learning_rate)
        table.add_row(
            row.contender,
            f"{row.score:.4f}",
            f"{row.spread:.4f}",
            f"{row.difference:+.4f} [{row.low:+.4f}, {row.high:+.4f}]" if row.contender != "baseline" else "",
            f"{row.parameters:,.0f}",
            f"{row.flops_per_example / 1e6:.2f}" if is_network else "",
            f"{row.learning_rate:g}{' (edge)' if row.rate_at_edge else ''}" if is_network else "",
            f"{row.epochs:.1f}" if is_network else "",
            f"{row.seconds:.0f}",
        )
    published = comparison[comparison["published"].notna()]
    if len(published):
        scores = ", ".join(f"{row.contender} {row.published:.4f}" for row in published.itertuples())
        table.caption = f"published, on other data: {scores}"
    yield table


def render_agreement(dataset: str, agreement: pd.DataFrame) -> Iterator[Table]:
    """Each budget's regret, agreement with the truth, and cost."""
    numbers = ("examples", "epochs", "learning rate", "seeds", "regret", "spread", "best chosen", "tau", "cost")
    title = f"{dataset}: searches against full training of every combination"
    table = _table(title, ["method"], [*numbers, "seconds"])
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
    yield table


def render_agreement_summary(dataset: str, summary: Any) -> Iterator[str]:
    """The range of the true scores, and the cheapest budget that is as good as the best."""
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
    yield "\n".join(lines)


def render_predictions(dataset: str, summary: Any) -> Iterator[RenderableType]:
    """How often each class was decided, each modality's contribution, and the scores, if the rows have labels."""
    yield Text(f"{dataset}: {summary.rows} rows predicted by {summary.model_name}")
    if summary.decided:
        often = sorted(summary.decided.items(), key=lambda item: -item[1])
        more = f", and {len(often) - _MOST_CLASSES} more classes" if len(often) > _MOST_CLASSES else ""
        yield Text("  Decided " + ", ".join(f"{name}: {count}" for name, count in often[:_MOST_CLASSES]) + more)
    if summary.scores:
        yield Text("  On these rows " + ", ".join(f"{name} {v:.4f}" for name, v in summary.scores.items()))
    if not summary.modalities:
        return
    numbers = ("contribution", "mean size of it", "decisions that flip", "its head agrees")
    table = _table(f"{dataset}: without one modality each", ["modality"], numbers)
    for modality, row in summary.modalities.items():
        found = (getattr(row, key, None) for key in ("flipped", "head_agrees"))
        shares = ["" if share is None else f"{share:.1%}" for share in found]
        table.add_row(modality, f"{row.mean_contribution:+.4f}", f"{row.mean_absolute_contribution:.4f}", *shares)
    if summary.model != "searched":
        table.caption = f"{summary.model_name} has no heads of single modalities"
    yield table


def render_predicted(dataset: str, predicted: pd.DataFrame) -> Iterator[Table]:
    """The first predictions; the file has all of them, and more columns."""
    shown = [name for name in predicted if re.fullmatch(r"id|label(_.*)?|predicted(_.*)?|confidence", str(name))]
    first = predicted[shown[:_MOST_COLUMNS]].head(_FIRST_ROWS)
    title = f"{dataset}: the first {len(first)} of {len(predicted)} predictions"
    table = _table(title if len(first) < len(predicted) else f"{dataset}: predictions", map(str, first.columns))
    for row in first.itertuples(index=False):
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    yield table


def render_description(dataset: str, description: Any, findings: pd.DataFrame) -> Iterator[RenderableType]:
    """The size of the data, the findings with advice, and whether a search would stop."""
    rows = ", ".join(f"{count:,} {split}" for split, count in description.rows.items())
    yield f"{description.source}: {rows} rows; {description.task_text}"
    if len(findings):
        yield _findings_table(dataset, findings.head(_MOST_FINDINGS))
    if (more := len(findings) - _MOST_FINDINGS) > 0:
        yield f"  and {more} more, of less weight: see the page"
    yield Text(findings_verdict(findings["severity"]), style="bold")


def render_checks(dataset: str, checks: pd.DataFrame) -> Iterator[RenderableType]:
    """The warnings of the checks that every run of a custom data set includes."""
    warnings = checks[checks["severity"] != "note"]
    if len(warnings):
        yield _findings_table(dataset, warnings.head(_MOST_CHECKS))
        more = len(warnings) - _MOST_CHECKS
        yield Text(f"  {f'and {more} more; ' if more > 0 else ''}kedro run --pipelines=describe looks for more")


def _metric(scores: pd.DataFrame) -> str:
    """The metric, and of a binary task the class that f1 and the like are about."""
    metric, positive = scores["metric"].iloc[0], scores["positive"].iloc[0]
    return f"{metric} (positive class: {positive})" if positive else str(metric)


def _findings_table(dataset: str, findings: pd.DataFrame) -> Table:
    table = _table(f"{dataset}: findings", ["", "where", "what", "what to do"])
    table.show_lines = True
    for column in table.columns:
        column.overflow = "fold"
    styles = {"error": "red", "warning": "yellow"}
    for row in findings.itertuples():
        where = ": ".join(filter(None, (row.split, row.modality)))
        rows = f" ({row.rows})" if row.rows else ""
        table.add_row(Text(row.severity, styles.get(row.severity, "")), where, row.what + rows, row.advice)
    return table


def render_estimate(dataset: str, description: Any, estimate: Any) -> Iterable[str]:
    """Time and memory of a search and a training; nothing if a search would stop."""
    return estimate_sentences(estimate, description).values()


def render_export(dataset: str, report: Any) -> Iterator[Table]:
    """Each exported form's deviation from the model, and its latency."""
    size = f"{report.parameters:,} parameters"
    if report.flops_per_example is not None:
        size += f", {report.flops_per_example / 1e6:.2f} MFLOP/example"
    if report.one_network:
        size += f"; one network: {report.one_network[0]:,}, {report.one_network[1] / 1e6:.2f}"
    numbers = ("largest difference", "examples a call", "median ms", "90th percentile ms")
    table = _table(f"{dataset}: exported {report.model_name}, {size}", ["form"], numbers)
    for row in report.latency:
        differences = report.differences.get(row.form)
        largest = f"{max(differences.values()):.1e}" if differences else ""
        table.add_row(row.form, largest, str(row.examples), f"{row.median_ms:.3f}", f"{row.p90_ms:.3f}")
    table.caption = f"{report.threads} thread, {report.machine.cpu}"
    yield table


def render_references(dataset: str, references: pd.DataFrame) -> Iterator[Table]:
    """Each reference's scores, with the interval of the test score."""
    numbers = ("validation", "test", "95 % interval", "AUROC", "rows", "features", "seconds")
    title = f"{dataset}: reference models, {_metric(references)}"
    table = _table(title, ["model", "modalities"], numbers)
    for row in references.itertuples():
        table.add_row(
            row.model,
            row.modalities,
            f"{row.validation:.4f}",
            f"{row.test:.4f}",
            f"{row.low:.4f} to {row.high:.4f}",
            f"{row.auroc:.4f}" if pd.notna(row.auroc) else "",
            f"{row.rows_refitted:,}",
            f"{row.features:,}",
            f"{row.seconds:.1f}",
        )
    bounded = list(dict.fromkeys(filter(None, references["bounded"])))
    table.caption = "; ".join(["refitted on training and validation rows for the test score", *bounded])
    yield table


def render_verdict(dataset: str, verdict: Any) -> Iterator[Text]:
    """Which model is better, and what to do."""
    yield Text(f"{dataset}: {' '.join(verdict.sentences[:2])}", style="bold")


# The kinds that a renderer reads -> the renderer, which takes the data set's name and their artefacts.
RENDERERS: dict[tuple[str, ...], Callable[..., Iterable[RenderableType]]] = {
    ("checks",): render_checks,
    ("search.sampling",): render_sampling,
    ("leaderboard",): render_leaderboard,
    ("architecture",): render_architecture,
    ("metrics",): render_metrics,
    ("patterns",): render_patterns,
    ("comparison",): render_comparison,
    ("agreement",): render_agreement,
    ("agreement_summary",): render_agreement_summary,
    ("prediction_summary",): render_predictions,
    ("predicted",): render_predicted,
    ("description", "findings"): render_description,
    ("description", "estimate"): render_estimate,
    ("export_report",): render_export,
    ("references",): render_references,
    ("verdict",): render_verdict,  # the last words of a run
}


def _table(title: str, texts: Iterable[str], numbers: Iterable[str] = (), more: Iterable[str] = ()) -> Table:
    """An empty table: columns of text, then of numbers (aligned right), then of text again."""
    table = Table(title=title, title_justify="left")
    for name in texts:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right")
    for name in more:
        table.add_column(name)
    return table


def _console() -> Console:
    """Standard output. All text is literal: names and messages from data may look like Rich's markup."""
    width = None if Console().is_terminal else _WIDTH
    return Console(width=width, markup=False, emoji=False)
