"""The model card: the folder's README.md, with the Hugging Face Hub's metadata at its head. All its numbers come from
artefacts of the catalog."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import jinja2
import pandas as pd
import yaml

from mixmas_pipeline.data.schema import StoredInput, Task
from mixmas_pipeline.datasets.record import Provenance
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.exported import ExportedConfig
from mixmas_pipeline.pipelines.export.artefacts import Artefacts
from mixmas_pipeline.pipelines.export.conversion import FILES
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.export.results import ExportReport
from mixmas_pipeline.pipelines.search.results import SamplingReport

_TEMPLATE = """
# {{ title }}

An all-MLP model of {{ inputs | join(", ") }}, searched and trained by mixmas_pipeline {{ config.version }}.
Task: {{ config.task }}; {{ "targets" if regression else "classes" }}: {{ config.classes | join(", ") }}.

![The architecture](architecture.png)

## How to use it

```python
from mixmas_pipeline.models.exported import ExportedModel
model = ExportedModel.from_pretrained(".")  # this folder
logits = model({{ call }})["fused"]
```

This needs `pip install mixmas_pipeline`; it does not import Kedro. The model takes one array or tensor per modality, in
the stored type, with the examples along the first axis:

{{ tables.inputs }}

The outputs are {{ outputs }}. "fused" is the decision; each modality's name holds the output of its own head.
{% if config.thresholds %}Predict a label where its probability is above its threshold: `model.config.thresholds`
(in `config.json`).
{% endif %}{% if onnx %}
`model.onnx` runs in ONNX Runtime. Its inputs have the modalities' names{{ ", and of optional modalities also
`present.<modality>` (true where an example has it)" if optional }}; its outputs are `fused`
{{- " and `head.<modality>`" if inputs | length > 1 }}.
{% endif %}{% if pt2 %}
`model.pt2` is a `torch.export` program: `torch.export.load("model.pt2").module()(inputs{{ ", present" if optional }})`.
`torch.export.load` may execute code from a manipulated file: load it only from a source that you trust. The weights
(safetensors), JSON and ONNX hold no code.
{% endif %}
## Intended use

{{ export.intended_use or "Not stated (parameter export.intended_use)." }}
{{ "Licence: " ~ export.licence ~ "." if export.licence else
"Licence: not stated (parameter export.licence). Ask the source of this model." }}

## Data

{{ source or "The data has no description." }}

{{ tables.splits }}

{{ tables.classes }}

## How it was chosen

Candidates were trained on {{ sampling.sample.rows }} of the {{ sampling.population }} training examples, a stratified
sample, and scored on {{ sampling.holdout.rows }} others, stage by stage. The validation and test splits were not used.

{{ tables.stages }}

Scores are means of the search's metric over the seeds.
{% if members %}The chosen architecture was then trained as {{ members }} members of an ensemble, {{ epochs }} epochs in
all. A linear model and boosted trees may be members too. `ensemble.json` has the weight of each; rows that a member was
not trained on set the weights.
{% else %}The chosen architecture was then trained on the whole training split for {{ epochs }} epoch
{{- "s" if epochs != 1 }}. The weights are those of the epoch with the best score on the validation split.
{% endif -%}
{% if settings %}Settings: {{ settings }}. Run: {{ record.run }}, with {{ libraries }}.
{% else %}The settings are not recorded.
{% endif %}
## Scores

{{ tables.scores }}

"{{ dummy }}" is the score of a prediction that ignores the inputs. The validation scores are optimistic, because the
same rows chose the {{ "weights of the members" if members else "epoch" }}. The test split chose nothing.
{% if tables.patterns %}
### With missing modalities

Test {{ patterns[0].metric }}. {{ "Some training examples lacked a modality." if patterns[0].trained_with_missing
else "All training examples had all modalities, so the model never learned to predict without one." }}

{{ tables.patterns }}
{% endif %}
## Size and speed

{{ "{:,}".format(report.parameters) }} parameters; {{ "{:,}".format(report.flops_per_example) }} floating-point
operations per example.

{{ tables.files }}

Differences are from the model's own outputs, on validation examples. Up to {{ report.tolerance }} was allowed.

{{ tables.latency }}

Times are from the stored values to the logits, on {{ report.threads }} thread of {{ report.machine.cpu }},
{{ report.machine.cores }} cores, {{ report.machine.system }}. The forms took turns. Versions: {{ versions }}.

## Limits

- All numbers are for the data above. For demo or synthetic data they only show that the software works.
- They come from one training with one seed and one test split. They do not show how much another seed changes.
- Not tested: data from another source or time, fairness between groups, calibration, adversarial inputs.
- Inputs with another type, scale or unit than in the table above give meaningless outputs. Shapes and types are
  checked; scales and units cannot be.
"""
_LIBRARIES = ("torch", "pytorch-lightning", "numpy")
_OUTPUTS: dict[Task, str] = {
    "multiclass": "logits, (examples, classes): `logits.softmax(dim=1)` gives probabilities",
    "binary": "logits, (examples, 2), of the negative and the positive class: `logits.softmax(dim=1)` gives "
    "probabilities",
    "multilabel": "logits, (examples, labels): `logits.sigmoid()` gives each label's probability",
    "regression": "numbers in the targets' units, (examples, targets)",
}


def write_card(
    config: ExportedConfig,
    source: str,
    rows: dict[str, int],
    report: ExportReport,
    artefacts: Artefacts,
    export: ExportParameters,
) -> str:
    """The card's text, in Markdown.

    Args:
        config: of the exported folder.
        source: description of the data; "" if there is none.
        rows: split -> rows.
        report: of the exported forms.
        artefacts: results of the search and the training.
        export: formats, licence and intended use.
    """
    record = artefacts.record
    libraries = record.fingerprint.libraries if record else {}
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
            outputs=_OUTPUTS[config.task],
            onnx="onnx" in export.formats,
            pt2="torch_export" in export.formats,
            export=export,
            source=source,
            sampling=artefacts.sampling,
            epochs=len(artefacts.history),
            members=_members(artefacts),
            record=record,
            settings=_pairs(_training_settings(record)),
            libraries=_pairs({name: libraries[name] for name in libraries if name in _LIBRARIES}),
            dummy=task_of(config.task).dummy,
            patterns=artefacts.patterns.to_dict("records"),
            report=report,
            versions=_pairs(report.versions),
            tables=_tables(config, rows, report, artefacts),
        )
    )
    return f"---\n{_front_matter(config, source, artefacts.metrics, export)}---\n{body}\n"


def _tables(config: ExportedConfig, rows: dict[str, int], report: ExportReport, artefacts: Artefacts) -> dict[str, str]:
    """The card's tables by name."""
    return {
        "inputs": _inputs_table(config),
        "splits": _splits_table(config, rows, _members(artefacts)),
        "classes": _classes_table(config, artefacts.sampling),
        "stages": _stages_table(artefacts.leaderboard),
        "scores": _scores_table(artefacts.metrics),
        "patterns": _patterns_table(artefacts.patterns) if len(artefacts.patterns) > 1 else "",
        "files": _files_table(report),
        "latency": _latency_table(report),
    }


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)


def _inputs_table(config: ExportedConfig) -> str:
    header = ("modality", "kind", "shape of an example", "type", "quantity", "")
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


def _members(artefacts: Artefacts) -> int:
    """The networks of an ensemble; 0 for a single model."""
    return artefacts.history["member"].nunique() if "member" in artefacts.history else 0


def _splits_table(config: ExportedConfig, rows: dict[str, int], members: int) -> str:
    validation = "training or early stopping, weights of the members" if members else "early stopping"
    uses = {
        "training": "search and training",
        "validation": f"{validation}, thresholds" if config.thresholds else validation,
        "test": "scores, after everything was chosen",
    }
    return _table(("split", "examples", "used for"), [(split, rows[split], use) for split, use in uses.items()])


def _classes_table(config: ExportedConfig, sampling: SamplingReport) -> str:
    header = ("range" if config.task == "regression" else "class", "training examples", "share")
    counts = sampling.classes.items()
    return _table(header, [(name, count, f"{100 * count / sampling.population:.1f} %") for name, count in counts])


def _stages_table(leaderboard: pd.DataFrame) -> str:
    rows = []
    for stage, candidates in leaderboard.groupby("stage", sort=False):
        chosen = candidates[candidates["chosen"]].iloc[0]
        seeds = [
            name.removeprefix("seed_") for name in candidates if name.startswith("seed_") and pd.notna(chosen[name])
        ]
        score, spread = f"{chosen['mean']:.4f}", f"{chosen['spread']:.4f}"
        names = ", ".join(candidates["candidate"])
        rows.append((stage, names, chosen["candidate"], score, spread, ", ".join(seeds), chosen["steps"]))
    return _table(("stage", "candidates", "chosen", "score", "spread", "seeds", "steps"), rows)


def _scores_table(metrics: dict[str, dict[str, float]]) -> str:
    splits = ("validation", "test")
    names = dict.fromkeys(name for split in splits for name in metrics[split])
    rows = [(name, *(_number(metrics[split].get(name)) for split in splits)) for name in names]
    return _table(("", *splits), rows)


def _patterns_table(patterns: pd.DataFrame) -> str:
    header = (
        "modalities",
        "examples with exactly these",
        "score",
        "examples with at least these",
        "score with only these",
    )
    rows = [
        (row["pattern"], row["rows"], _number(row["score"]), row["rows_with_more"], _number(row["score_when_masked"]))
        for row in patterns.to_dict("records")
    ]
    return _table(header, rows)


def _files_table(report: ExportReport) -> str:
    differences: dict[str, dict[str, float]] = {
        FILES[form]: report.differences[form] for form in FILES if form in report.differences
    }
    sizes = list(dict.fromkeys(size for by_size in differences.values() for size in by_size))
    rows = [
        (name, count, *(f"{differences[name][size]:.2g}" if name in differences else "" for size in sizes))
        for name, count in report.files.items()
    ]
    return _table(("file", "bytes", *(f"largest difference, batch of {size}" for size in sizes)), rows)


def _latency_table(report: ExportReport) -> str:
    rows = [(row.form, row.examples, f"{row.median_ms:.3f}", f"{row.p90_ms:.3f}", row.calls) for row in report.latency]
    return _table(("form", "examples per call", "median, ms", "90th percentile, ms", "calls"), rows)


def _front_matter(
    config: ExportedConfig, source: str, metrics: dict[str, dict[str, float]], export: ExportParameters
) -> str:
    others = ("head alone", task_of(config.task).dummy, "training median")  # not the fused model's scores
    scores = [
        {"type": name.partition(",")[0].partition(" of ")[0], "name": name, "value": value}
        for name, value in metrics["test"].items()
        if not name.endswith(others)
    ]
    result = {
        "task": {"type": config.task},
        "dataset": {"type": "custom", "name": source or "unnamed data", "split": "test"},
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


def _quantity(stored: StoredInput) -> str:
    formula = "value" if stored.scale == 1 else f"value × {stored.scale:g}"
    formula += f" {'−' if stored.offset < 0 else '+'} {abs(stored.offset):g}" if stored.offset else ""
    if formula == "value" and not stored.unit:
        return "the stored value"
    return f"{formula} {stored.unit}".strip()


def _training_settings(record: Provenance | None) -> dict[str, object]:
    """The recorded settings of the training; empty if there are none."""
    recorded = record.fingerprint.parameters if record else {}
    texts = [text for name, text in recorded.items() if name.endswith(".training")]
    settings: dict[str, object] = json.loads(texts[0]) if texts else {}
    return {name: value for name, value in settings.items() if value is not None}


def _pairs(values: Mapping[str, object]) -> str:
    """ "torch 2.13, numpy 2.4"."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _number(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.4f}"
