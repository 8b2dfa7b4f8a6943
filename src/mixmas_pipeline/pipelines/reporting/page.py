"""The report's page."""

from __future__ import annotations

import base64
import json
from collections.abc import Hashable
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.reference.results import Verdict
from mixmas_pipeline.pipelines.search.results import SamplingReport, SettingsReport

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}: MixMAS report</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2 { font-weight: 600; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; font-size: 14px; } th, td { padding: .25rem .7rem; text-align: right; }
th { border-bottom: 2px solid #888; } td:first-child, th:first-child { text-align: left; }
tr.chosen { font-weight: 600; background: #eef4fb; } .note { color: #555; } img { max-width: 100%; }
p.verdict { font-size: 18px; }
pre { background: #f6f6f6; padding: 1rem; overflow-x: auto; font-size: 13px; }
</style>
<script>{{ plotly | safe }}</script></head><body>
<h1>{{ title }}</h1>
<p class="note">The search trained on {{ sampling.sample.rows }} and scored on {{ sampling.holdout.rows }} of
{{ sampling.population }} training examples. The test split was read once, after everything was chosen.
{% if metrics.weights %}The final model is an ensemble; the weights of its members are
{%- for name, weight in metrics.weights.items() %}
{{ name }} {{ "%.2f" | format(weight) }}{{ "," if not loop.last else "." }}{% endfor %}
{%- endif %}
{% for name, share in (metrics.positive_class or {}).items() %}The positive class is {{ name }}
({{ "%.0f" | format(100 * share) }} % of the test rows); sensitivity is its recall.{% endfor %}</p>
<p class="note">Checked against the task and the training rows before the search:
{% for path, value in settings.items() %}{{ path }} = {{ value }}{{ "; " if not loop.last else "." }}{% endfor %}</p>
{% if verdict %}<h2>Verdict</h2>
<p class="verdict">{{ verdict.sentences[:2] | join(" ") }}</p>
<p class="note">{{ verdict.sentences[2:] | join(" ") }}</p>
<table><tr><th>model</th><th>modalities</th><th>validation {{ verdict.metric }}</th>
<th>test {{ verdict.metric }}</th><th>95 % interval</th><th>test AUROC</th><th>rows</th><th>numbers fitted</th>
<th>seconds</th></tr>
{% for row in finalists %}<tr class="{{ 'chosen' if row.chosen }}"><td>{{ row.model }}</td><td>{{ row.modalities }}</td>
<td>{{ "%.3f" | format(row.validation) }}</td><td>{{ "%.3f" | format(row.test) }}</td>
<td>{{ "%.3f to %.3f" | format(row.low, row.high) }}</td>
<td>{{ "%.3f" | format(row.auroc) if row.auroc == row.auroc }}</td><td>{{ row.rows_refitted }}</td>
<td>{{ "{:,}".format(row.parameters) if row.parameters else "" }}</td>
<td>{{ "%.1f" | format(row.seconds) if row.seconds }}</td></tr>{% endfor %}</table>
{{ figure("references_figure") }}{% endif %}
<h2>Result</h2>
<table><tr><th></th><th>held out</th><th>test</th><th>95 % interval</th></tr>
{% for name in score_names %}<tr><td>{{ name }}</td>{% for split in splits %}<td>
{{- "%.4f" | format(metrics[split][name]) if name in metrics[split] }}</td>{% endfor %}<td>
{{- "%.3f to %.3f" | format(metrics.test_low[name], metrics.test_high[name]) if name in metrics.test_low }}</td></tr>
{%- endfor %}</table>
<p class="note">Held out: rows of the training and validation splits, each predicted by models that were not trained on
it; of a single model, the rows of the validation split. The interval: percentiles over bootstrap resamples of the test
rows.</p>
{{ figure("heads_figure") }}
<h2>Search</h2>
{% for stage, rows in stages %}<h3>{{ stage }}</h3>
<table><tr><th>candidate</th><th>score</th><th>spread</th><th>by seed</th><th>chance</th><th>parameters</th>
<th>MFLOP / example</th><th>seconds</th><th>steps</th><th></th></tr>
{% for row in rows %}<tr class="{{ 'chosen' if row.chosen }}"><td>{{ row.candidate }}</td>
<td>{{ "%.3f" | format(row.mean) }}</td><td>{{ "%.3f" | format(row.spread) }}</td><td>{{ row.by_seed }}</td>
<td>{{ "%.3f" | format(row.chance) }}</td><td>{{ "{:,}".format(row.parameters) }}</td>
<td>{{ "%.2f" | format(row.flops_per_example / 1e6) }}</td><td>{{ "%.1f" | format(row.seconds) }}</td>
<td>{{ row.steps }}</td><td>{{ row.notes }}</td></tr>{% endfor %}</table>
{% for row in rows if row.chosen %}<p class="note">{{ row.reason }}{{ " The budget was extended." if row.extended }}</p>
{% endfor %}{% endfor %}
{{ figure("leaderboard_figure") }}{{ figure("candidate_curves") }}
<h2>Architecture</h2>
<p><img alt="the architecture as a drawing" src="data:image/png;base64,{{ pictures.architecture }}"></p>
<details><summary>as data</summary><pre>{{ architecture }}</pre></details>
<h2>Data</h2>
<table><tr><th>{{ "range" if task == "regression" else "class" }}</th><th>training examples</th>
<th>share</th><th>in the sample</th><th>in the scoring sample</th></tr>
{% for name, count in sampling.classes.items() %}<tr><td>{{ name }}</td><td>{{ count }}</td>
<td>{{ "%.1f" | format(100 * count / sampling.population) }} %</td><td>{{ sampling.sample.classes[name] }}</td>
<td>{{ sampling.holdout.classes[name] }}</td></tr>{% endfor %}</table>
<p><img alt="training examples" src="data:image/png;base64,{{ pictures.examples }}"></p>
<h2>Final model</h2>
{{ figure("history_figure") }}{{ figure("confusion_figure") }}{{ figure("calibration_figure") }}
{{ figure("class_figure") }}
<table><tr>{% for column in class_columns %}<th>{{ column }}</th>{% endfor %}</tr>
{% for row in class_rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>
{% if patterns|length > 1 %}<h2>With missing modalities</h2>
<p class="note">The fused head's {{ patterns[0].metric }} on the test split, per set of modalities. "Exactly these":
examples with these modalities and no other. "Only these": all examples with these modalities, the others masked.
{{ "Some training examples also lacked a modality." if patterns[0].trained_with_missing else "All training examples had
all modalities, so the model never learned to predict without one: the scores show how much it depends on each. It
learns that from rows that lack a modality, or with modality_dropout." }}</p>
<table><tr><th>modalities</th><th>examples with exactly these</th><th>score</th><th>examples with at least
these</th><th>score with only these</th></tr>
{% for row in patterns %}<tr><td>{{ row.pattern }}</td><td>{{ row.rows }}</td>
<td>{{ "%.3f" | format(row.score) if row.score == row.score }}</td><td>{{ row.rows_with_more }}</td>
<td>{{ "%.3f" | format(row.score_when_masked) if row.score_when_masked == row.score_when_masked }}</td></tr>
{% endfor %}</table>{{ figure("patterns_figure") }}{% endif %}
<h2>{{ "Largest errors" if task == "regression" else "Most confident mistakes" }}</h2>
<p><img alt="mistakes" src="data:image/png;base64,{{ pictures.mistakes }}"></p>
</body></html>
"""


def render(
    *,
    title: str,
    settings: SettingsReport,
    sampling: SamplingReport,
    architecture: Architecture,
    leaderboard: pd.DataFrame,
    metrics: dict[str, dict[str, float]],
    class_scores: pd.DataFrame,
    patterns: pd.DataFrame,
    pictures: dict[str, bytes],
    figures: dict[str, Any],
    verdict: Verdict | None = None,
    references: pd.DataFrame | None = None,
) -> str:
    """Fill the template; all text is escaped. plotly's script is part of the page."""

    def figure_html(name: str) -> Markup:
        return Markup(figures[name].to_html(full_html=False, include_plotlyjs=False, div_id=name))

    short = architecture.model_dump(mode="json", include={"task", "encoders", "fusion"})
    return (
        jinja2.Environment(autoescape=True)
        .from_string(_TEMPLATE)
        .render(
            title=title,
            settings={**settings.metrics, **settings.balances, **settings.modality_dropouts},
            sampling=sampling,
            architecture=json.dumps(short, indent=2),
            task=architecture.task,
            stages=[(stage, _stage_rows(rows)) for stage, rows in leaderboard.groupby("stage", sort=False)],
            metrics=metrics,
            splits=("validation", "test"),
            score_names=list(dict.fromkeys(name for split in ("validation", "test") for name in metrics[split])),
            patterns=patterns.to_dict("records"),
            verdict=verdict,
            finalists=_finalists(verdict, references),
            class_columns=list(class_scores),
            class_rows=[
                [f"{cell:.3f}" if isinstance(cell, float) else cell for cell in row]
                for row in class_scores.itertuples(index=False)
            ],
            pictures={name: base64.b64encode(png).decode() for name, png in pictures.items()},
            figure=figure_html,
            plotly=get_plotlyjs(),
        )
    )


def _finalists(verdict: Verdict | None, references: pd.DataFrame | None) -> list[dict[Hashable, Any]]:
    """The network's row, then those of the references; the recommended one is marked."""
    if verdict is None or references is None:
        return []
    networks = [dict(f) for f in (verdict.recommended, verdict.other) if f.model == "network"]
    rows: list[dict[Any, Any]] = [{**row, "auroc": float("nan"), "rows_refitted": ""} for row in networks]
    rows += references.to_dict("records")
    chosen = (verdict.recommended.model, verdict.recommended.modalities)
    return [{**row, "chosen": (row["model"], row["modalities"]) == chosen} for row in rows]


def _stage_rows(rows: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The leaderboard's rows, with the scores by seed and notes as text."""
    seeds = [column for column in rows if column.startswith("seed_")]
    tie = rows["tied"].sum() > 1
    records = rows.to_dict("records")
    for record in records:
        record["by_seed"] = " ".join(f"{record[seed]:.3f}" for seed in seeds if record[seed] == record[seed])
        notes = (
            ("chosen", record["chosen"]),
            ("tied", record["tied"] and tie),
            ("at chance", not record["above_chance"]),
            (f"dropped after {record['trials']} seeds", record["dropped"]),
        )
        record["notes"] = ", ".join(note for note, applies in notes if applies)
    return records
