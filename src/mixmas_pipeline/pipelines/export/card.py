"""The model card: the folder's README.md, with the Hugging Face Hub's metadata at its head. All figures are from the
catalog's artefacts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.exported import ExportedConfig
from mixmas_pipeline.pipelines.export.conversion import FILES
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.search.results import SamplingReport

_TEMPLATE = """
# {{ title }}

An all-MLP model of {{ inputs | join(", ") }}, which mixmas_pipeline {{ config.version }} has searched and trained.
Task: {{ config.task }}; {{ "targets" if regression else "classes" }}: {{ config.classes | join(", ") }}.

![The architecture](architecture.png)

## How to use it

```python
from mixmas_pipeline.models.exported import ExportedModel
model = ExportedModel.from_pretrained(".")  # this folder
logits = model({{ call }})["fused"]
```

`pip install mixmas_pipeline` is needed for that; Kedro is not imported. The model takes one array or tensor a modality,
with the examples along the first axis, in the stored type:

{{ tables.inputs }}

Answers are {{ answers }}. Beside "fused", the decision, each modality's name holds what its own head says.
{% if config.thresholds %}A label is best set where its probability is above its threshold: `model.config.thresholds`
(in `config.json`).
{% endif %}{% if onnx %}
`model.onnx` runs in ONNX Runtime. Its inputs have the modalities' names{{ ", and `present.<modality>` (true where an
example has it) of optional ones" if optional }}; its outputs are `fused`
{{- " and `head.<modality>`" if inputs | length > 1 }}.
{% endif %}{% if pt2 %}
`model.pt2` is a `torch.export` program: `torch.export.load("model.pt2").module()(inputs{{ ", present" if optional }})`.
`torch.export.load` can execute what a tampered file says: load it only from a source that you trust. The weights
(safetensors), JSON and ONNX hold no code.
{% endif %}
## Intended use

{{ export.intended_use or "Nothing is said about it (the parameter export.intended_use)." }}
{{ "Licence: " ~ export.licence ~ "." if export.licence else
"No licence is given (the parameter export.licence): ask who gave you the model." }}

## Data

{{ source or "The data has no description." }}

{{ tables.splits }}

{{ tables.classes }}

## How it was chosen

Candidates were trained on {{ sampling.sample.rows }} of the {{ sampling.population }} training examples, a stratified
sample, and scored on {{ sampling.holdout.rows }} others, part by part. Neither validation nor test split took part.

{{ tables.stages }}

Scores are the search's metric, mean over the seeds. The chosen architecture was then trained on the whole training
split for {{ epochs }} epoch{{ "s" if epochs != 1 }}; the weights are those of the epoch that was best on the validation
split.
{% if training %}Settings: {{ training }}. It was made by the run {{ record.run }} with {{ libraries }}.
{% else %}There is no record of its settings.
{% endif %}
## Scores

{{ tables.scores }}

"{{ blind }}" is what one scores without looking at the inputs. The validation split chose the epoch, so that column
flatters; the test split chose nothing.
{% if tables.patterns %}
### With modalities missing

Test {{ patterns[0].metric }}. {{ "In training some examples lacked some modality." if patterns[0].trained_with_missing
else "In training every example had all modalities, so to answer without some is new to the model." }}

{{ tables.patterns }}
{% endif %}
## Size and speed

{{ "{:,}".format(report.parameters) }} parameters; {{ "{:,}".format(report.flops_per_example) }} floating-point
operations an example.

{{ tables.files }}

Differences are from the model's own outputs, on validation examples; up to {{ report.tolerance }} was allowed.

{{ tables.latency }}

From the stored values to the logits; {{ report.threads }} thread, {{ report.machine.cpu }}, {{ report.machine.cores }}
cores, {{ report.machine.system }}; the forms took turns. With {{ versions }}.

## Limits

- The figures are of the data that is named above. Where that is a demo or synthetic, they say that the machinery works,
  and nothing else.
- It is one training from one seed, on one test split. How much another seed changes is not said here.
- Not tested: data from elsewhere or of another time, fairness between groups, calibration, inputs made to deceive.
- Inputs of another type, scale or unit than in the table above give answers that mean nothing. Shapes and types are
  checked; scales and units cannot be.
"""


def write_card(
    *,
    config: ExportedConfig,
    source: str,
    rows: dict[str, int],
    record: dict[str, Any],
    report: dict[str, Any],
    sampling: SamplingReport,
    leaderboard: pd.DataFrame,
    history: pd.DataFrame,
    metrics: dict[str, dict[str, float]],
    patterns: pd.DataFrame,
    export: ExportParameters,
) -> str:
    """The card's text, in Markdown. See ``nodes.assemble`` for what is given."""
    import jinja2

    fingerprint = record.get("fingerprint", {})
    body = (
        jinja2.Environment(undefined=jinja2.StrictUndefined)
        .from_string(_TEMPLATE)
        .render(
            title=_title(source),
            config=config,
            inputs=config.inputs,
            regression=config.task == "regression",
            optional=any(i.optional for i in config.inputs.values()),
            call="{" + ", ".join(f'"{name}": {name}' for name in config.inputs) + "}",
            answers=_ANSWERS[config.task],
            onnx="onnx" in export.formats,
            pt2="torch_export" in export.formats,
            export=export,
            source=source,
            sampling=sampling,
            epochs=len(history),
            record=record,
            training=_said(_training(fingerprint)),
            libraries=_said({n: v for n, v in fingerprint.get("libraries", {}).items() if n in _TOLD}),
            blind=task_of(config.task).dummy,
            patterns=patterns.to_dict("records"),
            report=report,
            versions=_said(report["versions"]),
            tables={
                "inputs": _inputs_table(config),
                "splits": _splits_table(config, rows),
                "classes": _classes_table(config, sampling),
                "stages": _stages_table(leaderboard),
                "scores": _scores_table(metrics),
                "patterns": _patterns_table(patterns) if len(patterns) > 1 else "",
                "files": _files_table(report),
                "latency": _latency_table(report),
            },
        )
    )
    return f"---\n{_front_matter(config, source, metrics, export)}---\n{body}\n"


_TOLD = ("torch", "pytorch-lightning", "numpy")
_ANSWERS = {
    "multiclass": "logits, (examples, classes): `logits.softmax(dim=1)` gives probabilities",
    "binary": "logits, (examples, 2), of the negative and the positive: `logits.softmax(dim=1)` gives probabilities",
    "multilabel": "logits, (examples, labels): `logits.sigmoid()` gives each label's probability",
    "regression": "numbers in the targets' units, (examples, targets)",
}


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)


def _inputs_table(config: ExportedConfig) -> str:
    header = ("modality", "kind", "shape of an example", "type", "stands for", "")
    rows = [
        (
            name,
            i.kind,
            " × ".join(map(str, i.shape)),
            i.dtype,
            _quantity(i),
            ", ".join(what for what in ("padded", "optional") if getattr(i, what)),
        )
        for name, i in config.inputs.items()
    ]
    return _table(header, rows)


def _splits_table(config: ExportedConfig, rows: dict[str, int]) -> str:
    uses = {
        "training": "search and training",
        "validation": "when to stop, thresholds" if config.thresholds else "when to stop",
        "test": "read once, after everything was chosen",
    }
    return _table(("split", "examples", "used for"), [(split, rows[split], use) for split, use in uses.items()])


def _classes_table(config: ExportedConfig, sampling: SamplingReport) -> str:
    header = ("range" if config.task == "regression" else "class", "training examples", "share")
    counts = sampling.classes.items()
    return _table(header, [(name, count, f"{100 * count / sampling.population:.1f} %") for name, count in counts])


def _stages_table(leaderboard: pd.DataFrame) -> str:
    rows = []
    for stage, found in leaderboard.groupby("stage", sort=False):
        chosen = found[found["chosen"]].iloc[0]
        seeds = [name.removeprefix("seed_") for name in found if name.startswith("seed_") and pd.notna(chosen[name])]
        score, spread = f"{chosen['mean']:.4f}", f"{chosen['spread']:.4f}"
        candidates = ", ".join(found["candidate"])
        rows.append((stage, candidates, chosen["candidate"], score, spread, ", ".join(seeds), chosen["steps"]))
    return _table(("stage", "candidates", "chosen", "score", "spread", "seeds", "steps"), rows)


def _scores_table(metrics: dict[str, dict[str, float]]) -> str:
    splits = ("validation", "test")
    names = dict.fromkeys(name for split in splits for name in metrics[split])
    rows = [(name, *(_number(metrics[split].get(name)) for split in splits)) for name in names]
    return _table(("", *splits), rows)


def _patterns_table(patterns: pd.DataFrame) -> str:
    header = ("modalities", "examples with exactly these", "score", "examples with these", "score, shown these only")
    rows = [
        (row["pattern"], row["rows"], _number(row["score"]), row["rows_with_more"], _number(row["score_when_masked"]))
        for row in patterns.to_dict("records")
    ]
    return _table(header, rows)


def _files_table(report: dict[str, Any]) -> str:
    found = {FILES[form]: sizes for form, sizes in report["differences"].items()}
    sizes = list(dict.fromkeys(size for differences in found.values() for size in differences))
    rows = [
        (name, count, *(f"{found[name][size]:.2g}" if name in found else "" for size in sizes))
        for name, count in report["files"].items()
    ]
    return _table(("file", "bytes", *(f"largest difference, {size} at once" for size in sizes)), rows)


def _latency_table(report: dict[str, Any]) -> str:
    rows = [
        (row["form"], row["examples"], f"{row['median_ms']:.3f}", f"{row['p90_ms']:.3f}", row["calls"])
        for row in report["latency"]
    ]
    return _table(("form", "examples a call", "median, ms", "90th percentile, ms", "calls"), rows)


def _front_matter(
    config: ExportedConfig, source: str, metrics: dict[str, dict[str, float]], export: ExportParameters
) -> str:
    import yaml

    others = ("head alone", task_of(config.task).dummy, "training median")  # not the model's answers
    scores = [
        {"type": name.partition(",")[0].partition(" of ")[0], "name": name, "value": value}
        for name, value in metrics["test"].items()
        if not name.endswith(others)
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


def _training(fingerprint: dict[str, Any]) -> dict[str, Any]:
    """The settings that are recorded of the training."""
    recorded = fingerprint.get("parameters", {})
    texts = [text for name, text in recorded.items() if name.endswith(".training")]
    settings: dict[str, Any] = json.loads(texts[0]) if texts else {}
    return {name: value for name, value in settings.items() if value is not None}


def _said(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _number(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.4f}"
