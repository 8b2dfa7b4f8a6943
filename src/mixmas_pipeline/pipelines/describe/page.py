"""The page of a data set's description."""

from __future__ import annotations

from typing import Any

from mixmas_pipeline.plots.text import estimate_sentences, findings_verdict

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ d.source }}: data and search, described</title>
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
<p class="{{ 'error' if d.search_would_stop }}">{{ verdict }}</p>
<h2>Findings</h2>
{% if d.findings %}<table class="words"><tr><th></th><th>where</th><th>what</th><th>rows</th><th>what to do</th></tr>
{% for f in d.findings %}<tr><td class="{{ f.severity }}">{{ f.severity }}</td>
<td>{{ [f.split, f.modality] | select | join(": ") }}</td><td>{{ f.what }}</td><td>{{ f["rows"] }}</td>
<td>{{ f.advice }}</td></tr>{% endfor %}</table>
{% else %}<p>None.</p>{% endif %}
<h2>Rows and labels</h2>
<table><tr><th></th>{% for split in d["rows"] %}<th>{{ split }}</th>{% endfor %}</tr>
<tr><td>rows</td>{% for n in d["rows"].values() %}<td>{{ "{:,}".format(n) }}</td>{% endfor %}</tr>
{% for name in label_names %}<tr><td>{{ name }}</td>{% for split in d["rows"] %}
<td>{{ label(split, name) }}</td>{% endfor %}</tr>{% endfor %}</table>
{{ figure }}
<h2>Modalities</h2>
<table><tr><th></th><th>kind</th><th>shape</th><th>stored as</th><th>split</th><th>rows</th><th>missing</th>
<th>least</th><th>mean</th><th>standard deviation</th><th>most</th><th>never vary</th>
{% if padded %}<th>steps: shortest, median, longest</th><th>padding</th>{% endif %}</tr>
{% for name, m in d.modalities.items() %}{% for split, s in m.splits.items() %}<tr>
<td>{{ name if loop.first }}</td><td>{{ m.kind if loop.first }}</td>
<td>{{ m.shape | join(" x ") if loop.first }}</td><td>{{ m.dtype if loop.first }}</td><td>{{ split }}</td>
<td>{{ "{:,}".format(s["rows"]) }}</td><td>{{ "%.1f %%" | format(100 * s.missing) }}</td>
{% if s["rows"] %}{% for key in ("minimum", "mean", "std", "maximum") %}<td>{{ "%.4g" | format(s[key]) }}
{{- " " + m.unit if m.unit and key == "maximum" }}</td>{% endfor %}
<td>{{ s.constant_features | length }} of {{ s.features }}</td>
{% if s.padding %}<td>{{ s.padding.shortest }}, {{ "%.0f" | format(s.padding.median) }}, {{ s.padding.longest }} of
{{ s.padding.steps }}</td><td>{{ "%.1f %%" | format(100 * s.padding.share) }}</td>{% endif %}{% endif %}</tr>
{% endfor %}{% endfor %}</table>
{% if patterns | length > 1 %}<h3>Modalities that rows have</h3>
<table><tr><th></th>{% for split in d["rows"] %}<th>{{ split }}</th>{% endfor %}</tr>
{% for name in patterns %}<tr><td>{{ name }}</td>{% for split in d["rows"] %}
<td>{{ d.patterns[split].get(name, 0) }}</td>{% endfor %}</tr>{% endfor %}</table>{% endif %}
{% if d.cells %}<h3>Empty cells of the file</h3>
<table><tr><th>column</th>{% for split in d["rows"] %}<th>{{ split }}</th>{% endfor %}</tr>
{% for name, shares in d.cells.items() %}<tr><td>{{ name }}</td>{% for split in d["rows"] %}
<td>{{ "%.1f %%" | format(100 * shares[split]) }}</td>{% endfor %}</tr>{% endfor %}</table>{% endif %}
{% if d.masks.train %}<h3>Masks beside the modalities: share of ones</h3>
<table><tr><th></th>{% for split in d["rows"] %}<th>{{ split }}</th>{% endfor %}</tr>
{% for name in d.masks.train %}<tr><td>{{ name }}</td>{% for split in d["rows"] %}
<td>{{ "%.1f %%" | format(100 * d.masks[split][name]) if name in d.masks[split] }}</td>{% endfor %}</tr>{% endfor %}
</table>{% endif %}
<h2>The same again, bit for bit</h2>
<table><tr><th></th><th>distinct in training</th>
{% for split in d["rows"] %}<th>repeated in {{ split }}</th>{% endfor %}
{% for pair in d.duplicates.same_ids %}<th>both in {{ pair.replace(", ", " and in ") }}</th>{% endfor %}
<th>with other labels</th></tr>
{% for name, v in d.duplicates["values"].items() %}<tr><td>{{ name or "whole examples" }}</td>
<td>{{ "%.1f %%" | format(100 * v.distinct) }}</td>
{% for split in d["rows"] %}<td>{{ v.within[split] }}</td>{% endfor %}
{% for pair in d.duplicates.same_ids %}<td>{{ v.across[pair] }}</td>{% endfor %}<td>{{ v.conflicting }}</td></tr>
{% endfor %}</table>
{% if d.leaks.features %}<h2>The strongest single feature</h2>
<p class="note">Of training rows. Near 1 it would need no model.</p>
<table class="words"><tr><th></th><th>feature</th><th>tells</th><th></th><th></th></tr>
{% for name, s in d.leaks.features.items() %}<tr><td>{{ name }}</td>
<td>{{ s.feature }}</td><td>{{ s.tells }}</td>
<td>{{ s.measure }}</td><td>{{ "%.3f" | format(s.score) }}</td></tr>{% endfor %}</table>{% endif %}
{% if d.leaks.groups %}<h2>Groups</h2>
<p class="note">Rows of validation and test that share a value with training rows.</p>
<table><tr><th></th><th>values in training</th><th>validation</th><th>test</th></tr>
{% for name, g in d.leaks.groups.items() %}<tr><td>{{ name }}</td><td>{{ g["values"] }}</td>
<td>{{ g.shared.validation }}</td><td>{{ g.shared.test }}</td></tr>{% endfor %}</table>{% endif %}
<h2>What a search takes</h2>
{% if e %}<p>{{ sentences.search }}</p><p>{{ sentences.training }}</p><p>{{ sentences.memory }}</p>
<table><tr><th>stage</th><th>candidate</th><th>parameters</th><th>MFLOP / example</th><th>ms a step</th>
<th>fastest to slowest</th><th>seconds a trial</th><th>MB beside the sample</th></tr>
{% for c in e.candidates %}<tr><td>{{ c.stage }}</td><td style="text-align: left">{{ c.candidate }}</td>
<td>{{ "{:,}".format(c.parameters) }}</td><td>{{ "%.2f" | format(c.flops / 1e6) }}</td>
{% if c.failed %}<td colspan="3">{{ c.failed }}</td>{% else %}
<td>{{ "%.1f" | format(1e3 * c.seconds.median[1]) }}</td>
<td>{{ "%.1f" | format(1e3 * c.seconds.fastest[1]) }} to {{ "%.1f" | format(1e3 * c.seconds.slowest[1]) }}</td>
<td>{{ "%.1f" | format(c.seconds_a_trial) }}</td>{% endif %}
<td>{{ "%.0f" | format(c.bytes / 1e6) }}</td></tr>{% endfor %}</table>
<p class="note">Timed on this machine on a few steps of each candidate; the fusion stages' with the encoders that have
the reference blocks, since what the search will choose is not known.</p>
{% else %}<p>Nothing was timed: a search would stop.</p>{% endif %}
</body></html>
"""


def render(description: dict[str, Any], estimate: dict[str, Any], balance_figure: Any) -> str:
    """Fill the template; all text is escaped. plotly's script is part of the page."""
    import jinja2
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    labels = description["labels"]
    spread = labels.get("classes") or labels["targets"]

    def label(split: str, name: str) -> str:
        own = spread[split][name]
        if isinstance(own, int):
            return f"{own:,} ({own / description['rows'][split]:.1%})"
        return f"{own['mean']:.4g} ± {own['std']:.4g} ({own['minimum']:.4g} to {own['maximum']:.4g})"

    return (
        jinja2.Environment(autoescape=True)
        .from_string(_TEMPLATE)
        .render(
            d=description,
            e=estimate,
            verdict=findings_verdict(description["findings"]),
            sentences=estimate_sentences(estimate, description) if estimate else {},
            label=label,
            label_names=list(spread["train"]),
            patterns=list(dict.fromkeys(name for own in description["patterns"].values() for name in own)),
            padded=any(m["padded"] for m in description["modalities"].values()),
            figure=Markup(balance_figure.to_html(full_html=False, include_plotlyjs=False, div_id="balance_figure")),
            plotly=get_plotlyjs(),
        )
    )
