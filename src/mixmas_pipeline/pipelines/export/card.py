"""The model card: the folder's README.md, with the Hugging Face Hub's metadata at its head. All figures are from the
catalog's artefacts."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from mixmas_pipeline.learning.parameters import ExportParameters
from mixmas_pipeline.learning.tasks import task_of
from mixmas_pipeline.mixers.exported import ExportedConfig

_TEMPLATE = """
# {{ title }}

An all-MLP fusion model of {{ inputs | length }} modalit{{ "y" if inputs | length == 1 else "ies" }}
({{ inputs | join(", ") }}), which mixmas_pipeline {{ config.version }} has searched and trained.
Task: {{ config.task }}, {{ config.classes | length }} {{ "targets" if regression else "classes" }}:
{{ config.classes | join(", ") }}.

![The architecture](architecture.png)

## How to use it

```python
from mixmas_pipeline.mixers.exported import ExportedModel
model = ExportedModel.from_pretrained(".")  # this folder
logits = model({{ call }})["fused"]
```

`pip install mixmas_pipeline` is needed for that; Kedro is not imported. `inputs` holds one array or tensor a modality, with
the examples along the first axis, in the stored type:

| modality | kind | shape of an example | type | stands for | |
|---|---|---|---|---|---|
{% for name, i in inputs.items() -%}
| {{ name }} | {{ i.kind }} | {{ i.shape | join(" × ") }} | {{ i.dtype }} | {{ quantity(i) }} | {{ notes(i) }} |
{% endfor %}
Answers are {{ answers }}. Beside "fused", the decision, each modality's name holds what its own head says.
{% if thresholds %}A label is best set where its probability is above its threshold in `config.json` (`model.config.thresholds`).
{% endif %}{% if onnx %}
`model.onnx` runs in ONNX Runtime. Its inputs have the modalities' names{{ ", and `present.<modality>` (true where an
example has it) of optional ones" if optional }}; its outputs are `fused`{{ " and `head.<modality>`" if inputs | length > 1 }}.
{% endif %}{% if pt2 %}
`model.pt2` is a `torch.export` program: `torch.export.load("model.pt2").module()(inputs{{ ", present" if optional }})`.
`torch.export.load` can execute what a tampered file says: load it only from a source that you trust. The weights
(safetensors), JSON and ONNX hold no code.
{% endif %}
## Intended use

{{ intended_use or "Nothing is said about it (the parameter export.intended_use)." }}
{{ "Licence: " ~ licence if licence else "No licence is given (the parameter export.licence): ask who gave you the model." }}

## Data

{{ source or "The data has no description." }}

| split | examples | used for |
|---|---|---|
| training | {{ rows.training }} | search and training |
| validation | {{ rows.validation }} | when to stop{{ ", thresholds" if thresholds }} |
| test | {{ rows.test }} | read once, after everything was chosen |

| {{ "range" if regression else "class" }} | training examples | share |
|---|---|---|
{% for name, count in sampling.classes.items() -%}
| {{ name }} | {{ count }} | {{ "%.1f" | format(100 * count / sampling.population) }} % |
{% endfor %}
## How it was chosen

Candidates were trained on {{ sampling.sample.rows }} of the {{ sampling.population }} training examples, a stratified sample,
and scored on {{ sampling.holdout.rows }} others, part by part: {{ stages | map(attribute="stage") | join(", ") }}. Neither
the validation nor the test split took part.

| stage | candidates | chosen | score | spread | seeds | steps |
|---|---|---|---|---|---|---|
{% for s in stages -%}
| {{ s.stage }} | {{ s.candidates | join(", ") }} | {{ s.chosen }} | {{ "%.4f" | format(s.score) }} |
{{- " %.4f" | format(s.spread) }} | {{ s.seeds | join(", ") }} | {{ s.steps }} |
{% endfor %}
The model was then trained on the whole training split for {{ epochs }} epoch{{ "s" if epochs != 1 }}.
{% if training %}Settings: {% for key, value in training.items() %}{{ key }} {{ value }}{{ ", " if not loop.last }}{% endfor %}.
It was made by the run {{ record.run }} with {% for name, v in libraries.items() %}{{ name }} {{ v }}{{ ", " if not loop.last }}{% endfor %}.
{% else %}There is no record of its settings.
{% endif %}
## Scores

| | validation | test |
|---|---|---|
{% for name in score_names -%}
| {{ name }} | {{ cell(metrics.validation, name) }} | {{ cell(metrics.test, name) }} |
{% endfor %}
"{{ blind }}" is what one scores without looking at the inputs. Training stopped where the validation score was best, so
that column flatters; the test column does not.
{% if patterns | length > 1 %}
### With modalities missing

Test {{ patterns[0].metric }}. {{ "In training some examples lacked some modality." if patterns[0].trained_with_missing else
"In training every example had all modalities, so to answer without some is new to the model." }}

| modalities | examples with exactly these | score | examples with these | score, shown these only |
|---|---|---|---|---|
{% for p in patterns -%}
| {{ p.pattern }} | {{ p.rows }} | {{ number(p.score) }} | {{ p.rows_with_more }} | {{ number(p.score_when_masked) }} |
{% endfor %}{% endif %}
## Size and speed

{{ "{:,}".format(report.parameters) }} parameters; {{ "{:,}".format(report.flops_per_example) }} floating-point operations an
example.

| file | bytes |{% for size in batches %} largest difference, {{ size }} example{{ "s" if size != "1" }} |{% endfor %}

|---|---|{{ "---|" * batches | length }}
{% for name, bytes in report.files.items() -%}
| {{ name }} | {{ bytes }} |{% for size in batches %} {{ difference(name, size) }} |{% endfor %}

{% endfor %}
Differences are from the model's own outputs, on validation examples; up to {{ report.tolerance }} was allowed.

| | examples a call | median, ms | 90th percentile, ms | calls |
|---|---|---|---|---|
{% for row in report.latency -%}
| {{ row.form }} | {{ row.examples }} | {{ "%.3f" | format(row.median_ms) }} | {{ "%.3f" | format(row.p90_ms) }} | {{ row.calls }} |
{% endfor %}
From the stored values to the logits; {{ report.threads }} thread, {{ report.machine.cpu }}, {{ report.machine.cores }} cores,
{{ report.machine.system }}; the forms took turns. With
{% for name, v in report.versions.items() %}{{ name }} {{ v }}{{ ", " if not loop.last }}{% endfor %}.

## Limits

- The figures are of the data that is named above. Where that is a demo or synthetic, they say that the machinery works, and
  nothing else.
- It is one training from one seed, on one test split. How much another seed changes is not said here.
- Not tested: data from elsewhere or of another time, fairness between groups, calibration, inputs made to deceive.
- Inputs of another type, scale or unit than in the table above give answers that mean nothing. Shapes and types are checked;
  scales and units cannot be.
"""


def write_card(
    *,
    config: ExportedConfig,
    source: str,
    rows: dict[str, int],
    record: dict[str, Any],
    report: dict[str, Any],
    sampling: dict[str, Any],
    leaderboard: pd.DataFrame,
    history: pd.DataFrame,
    metrics: dict[str, dict[str, float]],
    patterns: pd.DataFrame,
    export: ExportParameters,
) -> str:
    """The card's text, in Markdown. See ``nodes.assemble`` for what is given."""
    import jinja2

    batches = list(dict.fromkeys(size for found in report["differences"].values() for size in found))
    fingerprint = record.get("fingerprint", {})
    body = (
        jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=False)
        .from_string(_TEMPLATE)
        .render(
            title=_title(source),
            config=config,
            inputs=config.inputs,
            regression=config.task == "regression",
            thresholds=config.thresholds,
            optional=any(i.optional for i in config.inputs.values()),
            call="{" + ", ".join(f'"{name}": {name}' for name in config.inputs) + "}",
            quantity=_quantity,
            notes=lambda i: ", ".join(what for what in ("padded", "optional") if getattr(i, what)),
            answers=_ANSWERS[config.task],
            onnx="onnx" in export.formats,
            pt2="torch_export" in export.formats,
            intended_use=export.intended_use,
            licence=export.licence,
            source=source,
            rows=rows,
            sampling=sampling,
            stages=[_stage(str(stage), found) for stage, found in leaderboard.groupby("stage", sort=False)],
            epochs=len(history),
            record=record,
            training=_training(fingerprint),
            libraries={n: v for n, v in fingerprint.get("libraries", {}).items() if n in _TOLD},
            metrics=metrics,
            score_names=list(dict.fromkeys(name for scores in metrics.values() for name in scores)),
            blind=task_of(config.task).blind,
            cell=lambda scores, name: f"{scores[name]:.4f}" if name in scores else "",
            number=lambda value: "" if pd.isna(value) else f"{value:.4f}",
            patterns=patterns.to_dict("records"),
            report=report,
            batches=batches,
            difference=lambda file, size: _difference(report, file, size),
        )
    )
    return f"---\n{_front_matter(config, source, metrics, export)}---\n{body}"


_TOLD = ("torch", "pytorch-lightning", "numpy")
_ANSWERS = {
    "multiclass": "logits, (examples, classes): `logits.softmax(dim=1)` gives probabilities",
    "binary": "logits, (examples, 2): `logits.softmax(dim=1)` gives probabilities of the negative and the positive class",
    "multilabel": "logits, (examples, labels): `logits.sigmoid()` gives each label's probability",
    "regression": "numbers in the targets' units, (examples, targets)",
}


def _front_matter(
    config: ExportedConfig, source: str, metrics: dict[str, dict[str, float]], export: ExportParameters
) -> str:
    import yaml

    scores = [
        {"type": name.partition(",")[0].partition(" of ")[0], "name": name, "value": value}
        for name, value in metrics["test"].items()
    ]
    described = source or "unnamed data"
    result = {
        "task": {"type": config.task},
        "dataset": {"type": "custom", "name": described, "split": "test"},
        "metrics": scores,
    }
    metadata = {
        "license": export.licence or "unknown",
        "library_name": "mixmas_pipeline",
        "tags": ["mixmas", "multimodal", "all-mlp", config.task, *sorted({i.kind for i in config.inputs.values()})],
        "model-index": [{"name": _title(source), "results": [result]}],
    }
    return yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=120)


def _title(source: str) -> str:
    return f"MixMAS on {source}" if source else "MixMAS"


def _quantity(stored: Any) -> str:
    formula = "value" if stored.scale == 1 else f"value × {stored.scale:g}"
    formula += f" {'−' if stored.offset < 0 else '+'} {abs(stored.offset):g}" if stored.offset else ""
    if formula == "value" and not stored.unit:
        return "itself"
    return f"{formula} {stored.unit}".strip()


def _stage(stage: str, rows: pd.DataFrame) -> dict[str, Any]:
    chosen = rows[rows["chosen"]].iloc[0]
    seeds = [column for column in rows if column.startswith("seed_") and pd.notna(chosen[column])]
    return {
        "stage": stage,
        "candidates": list(rows["candidate"]),
        "chosen": chosen["candidate"],
        "score": chosen["mean"],
        "spread": chosen["spread"],
        "seeds": [column.removeprefix("seed_") for column in seeds],
        "steps": chosen["steps"],
    }


def _training(fingerprint: dict[str, Any]) -> dict[str, Any]:
    """The settings that are recorded of the training."""
    recorded = fingerprint.get("parameters", {})
    return next((json.loads(text) for name, text in recorded.items() if name.endswith(".training")), {})


def _difference(report: dict[str, Any], file: str, size: str) -> str:
    from mixmas_pipeline.learning.conversion import FILES

    found = {FILES[form]: sizes for form, sizes in report["differences"].items()}  # type: ignore[index]
    return f"{found[file][size]:.2g}" if file in found else ""
