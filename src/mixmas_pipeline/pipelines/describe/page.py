"""The page of a data set's description."""

from __future__ import annotations

from functools import partial
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mixmas_pipeline.pipelines.describe.results import Description, Estimate, TargetFacts
from mixmas_pipeline.plots.text import estimate_sentences, findings_verdict

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ d.source }}: description of the data</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2 { font-weight: 600; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; font-size: 14px; } th, td { padding: .25rem .7rem; text-align: right; }
th { border-bottom: 2px solid #888; } td:first-child, th:first-child { text-align: left; }
.words td, .words th { text-align: left; vertical-align: top; } .note { color: #555; }
.error { color: #b8363f; font-weight: 600; } .warning { color: #b05f00; font-weight: 600; }
</style>
<script>{{ plotly | safe }}</script></head><body>
<h1>{{ d.source }}</h1>
<p class="{{ 'error' if d.search_would_stop else '' }}">{{ verdict }}</p>
<h2>Findings</h2>
{% if d.findings %}<table class="words"><tr><th></th><th>where</th><th>what</th><th>rows</th><th>what to do</th></tr>
{% for f in d.findings %}<tr><td class="{{ f.severity }}">{{ f.severity }}</td>
<td>{{ [f.split, f.modality] | select | join(": ") }}</td><td>{{ f.what }}</td><td>{{ f.rows }}</td>
<td>{{ f.advice }}</td></tr>{% endfor %}</table>
{% else %}<p>None.</p>{% endif %}
<h2>Rows and labels</h2>
<p>Task: {{ d.task_text }}</p>
<table><tr><th></th>{% for split in d.rows %}<th>{{ split }}</th>{% endfor %}</tr>
<tr><td>rows</td>{% for n in d.rows.values() %}<td>{{ "{:,}".format(n) }}</td>{% endfor %}</tr>
{% for name in label_names %}<tr><td>{{ name }}</td>{% for split in d.rows %}
<td>{{ label(split, name) }}</td>{% endfor %}</tr>{% endfor %}</table>
{{ figure }}
<h2>Modalities</h2>
<table><tr><th></th><th>kind</th><th>shape</th><th>stored as</th><th>split</th><th>rows</th><th>missing</th>
<th>minimum</th><th>mean</th><th>standard deviation</th><th>maximum</th><th>constant features</th>
{% if padded %}<th>steps: shortest, median, longest</th><th>padding</th>{% endif %}</tr>
{% for name, m in d.modalities.items() %}{% for split, s in m.splits.items() %}<tr>
<td>{{ name if loop.first else "" }}</td><td>{{ m.kind if loop.first else "" }}</td>
<td>{{ m.shape | join(" x ") if loop.first else "" }}</td><td>{{ m.dtype if loop.first else "" }}</td>
<td>{{ split }}</td>
<td>{{ "{:,}".format(s.rows) }}</td><td>{{ "%.1f %%" | format(100 * s.missing) }}</td>
{% if s.rows %}{% for key in ("minimum", "mean", "std", "maximum") %}<td>{{ "%.4g" | format(s[key]) }}
{{- " " + m.unit if m.unit and key == "maximum" else "" }}</td>{% endfor %}
<td>{{ s.constant_features | length }} of {{ s.features }}</td>
{% if s.padding %}<td>{{ s.padding.shortest }}, {{ "%.0f" | format(s.padding.median) }}, {{ s.padding.longest }} of
{{ s.padding.steps }}</td><td>{{ "%.1f %%" | format(100 * s.padding.share) }}</td>{% endif %}{% endif %}</tr>
{% endfor %}{% endfor %}</table>
{% if patterns | length > 1 %}<h3>Present modalities</h3>
<table><tr><th></th>{% for split in d.rows %}<th>{{ split }}</th>{% endfor %}</tr>
{% for name in patterns %}<tr><td>{{ name }}</td>{% for split in d.rows %}
<td>{{ d.patterns[split].get(name, 0) }}</td>{% endfor %}</tr>{% endfor %}</table>{% endif %}
{% if d.cells %}<h3>Empty cells of the file</h3>
<table><tr><th>column</th>{% for split in d.rows %}<th>{{ split }}</th>{% endfor %}</tr>
{% for name, shares in d.cells.items() %}<tr><td>{{ name }}</td>{% for split in d.rows %}
<td>{{ "%.1f %%" | format(100 * shares[split]) }}</td>{% endfor %}</tr>{% endfor %}</table>{% endif %}
{% if d.masks.train %}<h3>Further masks: share of ones</h3>
<table><tr><th></th>{% for split in d.rows %}<th>{{ split }}</th>{% endfor %}</tr>
{% for name in d.masks.train %}<tr><td>{{ name }}</td>{% for split in d.rows %}
<td>{{ "%.1f %%" | format(100 * d.masks[split][name]) if name in d.masks[split] else "" }}</td>{% endfor %}</tr>
{% endfor %}</table>{% endif %}
<h2>Duplicates, bit for bit</h2>
<table><tr><th></th><th>distinct in training</th>
{% for split in d.rows %}<th>repeated in {{ split }}</th>{% endfor %}
{% for pair in d.duplicates.same_ids %}<th>in both {{ pair.replace(", ", " and ") }}</th>{% endfor %}
<th>with another label</th></tr>
{% for name, v in d.duplicates.values.items() %}<tr><td>{{ name or "whole examples" }}</td>
<td>{{ "%.1f %%" | format(100 * v.distinct) }}</td>
{% for split in d.rows %}<td>{{ v.within[split] }}</td>{% endfor %}
{% for pair in d.duplicates.same_ids %}<td>{{ v.across[pair] }}</td>{% endfor %}<td>{{ v.conflicting }}</td></tr>
{% endfor %}</table>
{% if d.leaks.features %}<h2>The strongest single feature</h2>
<p class="note">On training rows. A score near 1 means that no model is needed.</p>
<table class="words"><tr><th></th><th>feature</th><th>predicts</th><th>measure</th><th>score</th></tr>
{% for name, s in d.leaks.features.items() %}<tr><td>{{ name }}</td>
<td>{{ s.feature }}</td><td>{{ s.tells }}</td>
<td>{{ s.measure }}</td><td>{{ "%.3f" | format(s.score) }}</td></tr>{% endfor %}</table>{% endif %}
{% if d.leaks.groups %}<h2>Groups</h2>
<p class="note">Rows of validation and test that share a value with training rows.</p>
<table><tr><th></th><th>values in training</th><th>validation</th><th>test</th></tr>
{% for name, g in d.leaks.groups.items() %}<tr><td>{{ name }}</td><td>{{ g.values }}</td>
<td>{{ g.shared.validation }}</td><td>{{ g.shared.test }}</td></tr>{% endfor %}</table>{% endif %}
<h2>What a search takes</h2>
{% if e.search %}<p>{{ sentences.search }}</p><p>{{ sentences.training }}</p><p>{{ sentences.memory }}</p>
<table><tr><th>stage</th><th>candidate</th><th>parameters</th><th>MFLOP / example</th><th>ms per step</th>
<th>fastest to slowest</th><th>seconds per trial</th><th>MB in addition to the sample</th></tr>
{% for c in e.candidates %}<tr><td>{{ c.stage }}</td><td style="text-align: left">{{ c.candidate }}</td>
<td>{{ "{:,}".format(c.parameters) }}</td><td>{{ "%.2f" | format(c.flops / 1e6) }}</td>
{% if c.failed is defined %}<td colspan="3">{{ c.failed }}</td>{% else %}
<td>{{ "%.1f" | format(1e3 * c.seconds.median.step) }}</td>
<td>{{ "%.1f" | format(1e3 * c.seconds.fastest.step) }} to {{ "%.1f" | format(1e3 * c.seconds.slowest.step) }}</td>
<td>{{ "%.1f" | format(c.seconds_a_trial) }}</td>{% endif %}
<td>{{ "%.0f" | format(c.bytes / 1e6) }}</td></tr>{% endfor %}</table>
<p class="note">Measured on this machine with a few steps of each candidate. The fusion stages' candidates have the
encoders with the reference blocks, because the search has chosen no encoders yet.</p>
{% else %}<p>Nothing was timed, because a search would stop.</p>{% endif %}
</body></html>
"""


def render(description: Description, estimate: Estimate, balance_figure: Any) -> str:
    """Fill the template; all text is escaped. plotly's script is part of the page.

    Args:
        description, estimate: what the page shows.
        balance_figure: a plotly figure.
    """
    labels = description.labels
    distribution = labels.targets if isinstance(labels, TargetFacts) else labels.classes
    modality_sets = [name for counts in description.patterns.values() for name in counts]
    return (
        jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        .from_string(_TEMPLATE)
        .render(
            d=description,
            e=estimate,
            verdict=findings_verdict(finding.severity for finding in description.findings),
            sentences=estimate_sentences(estimate, description),
            label=partial(_label, description),
            label_names=list(distribution["train"]),
            patterns=list(dict.fromkeys(modality_sets)),
            padded=any(modality.padded for modality in description.modalities.values()),
            figure=Markup(balance_figure.to_html(full_html=False, include_plotlyjs=False, div_id="balance_figure")),
            plotly=get_plotlyjs(),
        )
    )


def _label(description: Description, split: str, name: str) -> str:
    """A class's examples and share, or a target's distribution."""
    labels = description.labels
    if isinstance(labels, TargetFacts):
        target = labels.targets[split][name]
        return f"{target.mean:.4g} ± {target.std:.4g} ({target.minimum:.4g} to {target.maximum:.4g})"
    examples = labels.classes[split][name]
    return f"{examples:,} ({examples / description.rows[split]:.1%})"
