"""The model card: the folder's README.md, with the Hugging Face Hub's metadata at its head. All its numbers come from
artefacts of the catalog. Here is what the cards of all models have; ``searched_card`` and ``reference_card`` have the
rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import jinja2
import pandas as pd
import yaml

from mixmas_pipeline.data.schema import StoredInput, Task
from mixmas_pipeline.models.exported import ExportedConfig
from mixmas_pipeline.pipelines.export.conversion import FILES
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.export.results import ExportReport
from mixmas_pipeline.pipelines.reference.results import Verdict
from mixmas_pipeline.utils.markdown import literal

_TEMPLATE = """
# {{ title }}

{{ about.what }} of {{ inputs | join(", ") }}, {{ about.made }} by mixmas_pipeline {{ config.version }}.
Task: {{ config.task }}; {{ "targets" if regression else "classes" }}: {{ classes }}.
{%- if config.task == "binary" %} The last is the positive class, which f1, sensitivity and precision are about.
{%- endif %}

{% if about.drawing %}![The architecture](architecture.png)

{% endif %}## How to use it

```python
from mixmas_pipeline.models.exported import ExportedModel
model = ExportedModel.from_pretrained(".")  # this folder
logits = model({{ call }})["fused"]
```

This needs `pip install mixmas_pipeline`; it does not import Kedro. The model takes one array or tensor per modality, in
the stored type, with the examples along the first axis:

{{ tables.inputs }}

The outputs are {{ outputs }}.
{% if about.has_heads %}"fused" is the decision; each modality's name holds the output of its own head.
{% else %}"fused" is the only output: this model has no heads of single modalities.
{% endif %}{% if config.decision_weights -%}
{% if not config.thresholds %}{{ "Each logit above 0" if several else "The largest logit" }} decides, which may not be
the most probable class. {% endif -%}
Probabilities are the {{ probability }} of the fused logits less the logarithm of `decision_weights` (in `config.json`).
{% endif %}{% if config.thresholds -%}
Predict a label where its probability is above its threshold: `model.config.thresholds` (in `config.json`).
{% endif %}{% if onnx %}
`model.onnx` runs in ONNX Runtime. Its inputs have the modalities' names{{ ", and of optional modalities also
`present.<modality>` (true where an example has it)" if optional }}; its outputs are `fused`
{{- " and `head.<modality>`" if about.has_heads and inputs | length > 1 }}.
{% endif %}{% if pt2 %}
`model.pt2` is a `torch.export` program: `torch.export.load("model.pt2").module()(inputs{{ ", present" if optional }})`.
`torch.export.load` may execute code from a manipulated file: load it only from a source that you trust. The weights
(safetensors), JSON and ONNX hold no code.
{% endif %}
## Intended use

{{ export.intended_use or "Not stated (parameter export.intended_use)." }}
{{ "Licence: " ~ export.licence ~ "." if export.licence else
"Licence: not stated (parameter export.licence). Ask the source of this model." }}

{% if verdict %}## Why this model

{{ verdict.sentences | join(" ") }}

{% endif %}## Data

{{ source or "The data has no description." }}

{{ tables.splits }}

{{ tables.classes }}

{{ about.sections }}
## Size and speed

{% if report.flops_per_example is none -%}
{{ "{:,}".format(report.parameters) }} fitted numbers. Floating-point operations are counted for networks only.
{% else -%}
{{ "{:,}".format(report.parameters) }} parameters; {{ "{:,}".format(report.flops_per_example) }} floating-point
operations per example.
{% if report.one_network %}One network of the ensemble has {{ "{:,}".format(report.one_network[0]) }} parameters and {{
"{:,}".format(report.one_network[1]) }} operations; `training.deploy: single` trains one alone.
{% endif %}{% endif %}
{{ tables.files }}

Differences are from the model's own outputs, on validation examples. Up to {{ report.tolerance }} was allowed.

{{ tables.latency }}

Times are from the stored values to the logits, on {{ report.threads }} thread of {{ report.machine.cpu }},
{{ report.machine.cores }} cores, {{ report.machine.system }}. The forms took turns. Versions: {{ versions }}.

## Limits

- All numbers are for the data above. For demo or synthetic data they only show that the software works.
- They come from one {{ about.training }} with one seed and one test split. They do not show how much another seed
  changes.
- Not tested: data from another source or time, fairness between groups, calibration, adversarial inputs.
- Inputs with another type, scale or unit than in the table above give meaningless outputs. Shapes and types are
  checked; scales and units cannot be.
"""
_OUTPUTS: dict[Task, str] = {
    "multiclass": "logits, (examples, classes): `model.probabilities(logits)` gives probabilities",
    "binary": "logits, (examples, 2), of the negative and the positive class: `model.probabilities(logits)` gives "
    "probabilities",
    "multilabel": "logits, (examples, labels): `model.probabilities(logits)` gives each label's probability",
    "regression": "numbers in the targets' units, (examples, targets)",
}


@dataclass(frozen=True)
class About:
    """What the card says of one kind of model.

    Attributes:
        title: before the name of the data.
        what: the model is, for example "An all-MLP model".
        made: how, for example "searched and trained".
        training: what a single making of it is called.
        tags: for the Hub.
        drawing: whether there is a drawing of the architecture.
        has_heads: whether modalities have heads of their own.
        uses: split -> what it was used for.
        classes: class (regression: range) -> training examples.
        sections: how it was made, and its scores, in Markdown.
        test: test scores of the decision, by the metric's name.
        test_rows: number of test examples.
        thresholds: for a multilabel task, class -> probability above which it is predicted, where they are tuned.
    """

    title: str
    what: str
    made: str
    training: str
    tags: tuple[str, ...]
    drawing: bool
    has_heads: bool
    uses: dict[str, str]
    classes: dict[str, int]
    sections: str
    test: dict[str, float]
    test_rows: int
    thresholds: dict[str, float]


def write_card(
    config: ExportedConfig,
    source: str,
    rows: dict[str, int],
    report: ExportReport,
    about: About,
    export: ExportParameters,
    verdict: Verdict | None = None,
) -> str:
    """The card's text, in Markdown.

    Args:
        config: of the exported folder.
        source: description of the data; "" if there is none.
        rows: split -> rows.
        report: of the exported forms.
        about: the model.
        export: formats, licence and intended use.
        verdict: that recommends the model. Default: the parameters name it.
    """
    body = render(
        _TEMPLATE,
        title=literal(_title(about, source)),
        config=config,
        inputs=config.inputs,
        regression=config.task == "regression",
        optional=any(i.optional for i in config.inputs.values()),
        call="{" + ", ".join(f'"{name}": {name}' for name in config.inputs) + "}",
        outputs=_OUTPUTS[config.task],
        several=config.task == "multilabel",
        probability="sigmoid" if config.task == "multilabel" else "softmax",
        onnx="onnx" in export.formats,
        pt2="torch_export" in export.formats,
        export=export,
        classes=", ".join(map(literal, config.classes)),
        source=literal(source),
        about=about,
        verdict=verdict,
        report=report,
        versions=pairs(report.versions),
        tables={
            "inputs": _inputs_table(config),
            "splits": table(("split", "examples", "used for"), [(name, rows[name], about.uses[name]) for name in rows]),
            "classes": _classes_table(config, about.classes, rows["training"]),
            "files": _files_table(report),
            "latency": _latency_table(report),
        },
    )
    return f"---\n{_front_matter(config, source, about, export)}---\n{body}\n"


def render(template: str, **values: object) -> str:
    """A template with its values, all of which it must name rightly."""
    return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template).render(**values)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown, whose cells are literal."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(literal, line))} |" for line in lines)


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
    return table(header, rows)


def _classes_table(config: ExportedConfig, classes: dict[str, int], population: int) -> str:
    header = ("range" if config.task == "regression" else "class", "training examples", "share")
    return table(header, [(name, count, f"{100 * count / population:.1f} %") for name, count in classes.items()])


def _files_table(report: ExportReport) -> str:
    differences: dict[str, dict[str, float]] = {
        FILES[form]: report.differences[form] for form in FILES if form in report.differences
    }
    sizes = list(dict.fromkeys(size for by_size in differences.values() for size in by_size))
    rows = [
        (name, count, *(f"{differences[name][size]:.2g}" if name in differences else "" for size in sizes))
        for name, count in report.files.items()
    ]
    return table(("file", "bytes", *(f"largest difference, batch of {size}" for size in sizes)), rows)


def _latency_table(report: ExportReport) -> str:
    rows = [(row.form, row.examples, f"{row.median_ms:.3f}", f"{row.p90_ms:.3f}", row.calls) for row in report.latency]
    return table(("form", "examples per call", "median, ms", "90th percentile, ms", "calls"), rows)


def _front_matter(config: ExportedConfig, source: str, about: About, export: ExportParameters) -> str:
    scores = [
        {"type": name.partition(",")[0].partition(" of ")[0], "name": name, "value": value}
        for name, value in about.test.items()
    ]
    result = {
        "task": {"type": config.task},
        "dataset": {"type": "custom", "name": source or "unnamed data", "split": "test"},
        "metrics": scores,
    }
    metadata = {
        "license": export.licence or "unknown",
        "library_name": "mixmas_pipeline",
        "tags": ["mixmas", "multimodal", *about.tags, config.task, *sorted({i.kind for i in config.inputs.values()})],
        "model-index": [{"name": _title(about, source), "results": [result]}],
    }
    return yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=120)


def _title(about: About, source: str) -> str:
    return f"{about.title} on {source}" if source else about.title


def _quantity(stored: StoredInput) -> str:
    formula = "value" if stored.scale == 1 else f"value × {stored.scale:g}"
    formula += f" {'−' if stored.offset < 0 else '+'} {abs(stored.offset):g}" if stored.offset else ""
    if formula == "value" and not stored.unit:
        return "the stored value"
    return f"{formula} {stored.unit}".strip()


def pairs(values: Mapping[str, object]) -> str:
    """ "torch 2.13, numpy 2.4"."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def number(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.4f}"
