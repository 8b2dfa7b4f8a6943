"""A reference model's part of the card: how it was fitted, and its scores."""

from __future__ import annotations

import json

import pandas as pd

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.record import Provenance
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.models.reference import Kind, Reference, ReferenceModel, Way
from mixmas_pipeline.pipelines.export.card import About, number, pairs, render, table
from mixmas_pipeline.pipelines.reference.results import NAMES

_SECTIONS = """\
## How it was fitted

It is not the searched model but a reference that it is compared with: {{ what }} on summaries of the modalities. It has
no architecture to draw.

{{ tables.features }}

{{ "{:,}".format(description.features) }} columns remain after constant ones are left out
{{- " and columns of 0 and 1 say which examples have an optional modality" if optional }}.
It was fitted on {{ "{:,}".format(description.rows) }} of the training and validation examples. A cross-validation
inside these chose {{ chosen }}.
{% for sentence in description.bounded %}Bounded: {{ sentence }}.
{% endfor %}
{%- if settings %}Settings: {{ settings }}. Run: {{ record.run }}, with {{ libraries }}.
{% else %}The settings are not recorded.
{% endif %}
## Scores

{{ tables.scores }}

The validation score is that of a model fitted in the same way on {{ "{:,}".format(row.rows) }} examples of the training
split alone. The test split chose nothing.
"""
_LIBRARIES = ("torch", "scikit-learn", "numpy")
_WAYS: dict[Way, str] = {
    "grid": "means of {grid} fields",
    "steps": "mean, last step and standard deviation over the steps",
    "all_steps": "mean, last step and standard deviation over the steps, and all values",
    "mean": "mean over the steps",
    "values": "the values",
}


def about_reference(
    model: ReferenceModel, train: MultimodalTable, references: pd.DataFrame, record: Provenance | None
) -> About:
    """What the card says of a refitted reference model.

    Args:
        model: the reference.
        train: its labels are counted.
        references: see ``reference.nodes.score_references``.
        record: how the model was made; None if it is not recorded.
    """
    description = model.architecture
    modalities = " + ".join(description.inputs)
    row = references[(references["model"] == description.kind) & (references["modalities"] == modalities)].iloc[0]
    strata, names = label_strata(description.task, train.labels, description.classes)
    libraries = record.fingerprint.libraries if record else {}
    sections = render(
        _SECTIONS,
        what=_what(description),
        description=description,
        optional=any(summary.optional for summary in description.inputs.values()),
        chosen=_chosen(description),
        record=record,
        settings=pairs(_settings(record)),
        libraries=pairs({name: libraries[name] for name in libraries if name in _LIBRARIES}),
        row=row,
        task=description.task,
        tables={"features": _features_table(description), "scores": _scores_table(row)},
    )
    test = {row["metric"]: float(row["test"])}
    if row["metric"] != "auroc" and pd.notna(row["auroc"]):
        test["auroc"] = float(row["auroc"])
    return About(
        title=NAMES[description.kind].removeprefix("the ").capitalize(),
        what=f"A reference model ({_what(description)})",
        made="fitted",
        training="fit",
        tags=(description.kind,),
        drawing=False,
        has_heads=False,
        uses={
            "training": "fit",
            "validation": "scores of a model that was fitted without them, then fit",
            "test": "scores, after everything was chosen",
        },
        classes=dict(zip(names, strata.sum(axis=0).tolist(), strict=True)),
        sections=sections,
        test=test,
        test_rows=int(row["rows_test"]),
        thresholds={},
    )


def _what(description: Reference) -> str:
    names: dict[Kind, str] = {
        "linear": "ridge regression" if description.task == "regression" else "logistic regression",
        "trees": "gradient-boosted trees",
    }
    return names[description.kind]


def _chosen(description: Reference) -> str:
    if description.kind == "trees":
        return f"the number of iterations, at most {description.iterations}"
    return "the penalty" if description.penalty is None else f"the penalty, {description.penalty:g} per example"


def _features_table(description: Reference) -> str:
    rows = []
    for name, summary in description.inputs.items():
        grid = " × ".join(map(str, summary.grid or ()))
        rows.append((name, _WAYS[summary.way].format(grid=grid), summary.features))
    return table(("modality", "features", "number"), rows)


def _scores_table(row: pd.Series) -> str:
    interval = f"{row['low']:.4f} to {row['high']:.4f}"
    rows = [(row["metric"], number(row["validation"]), number(row["test"]), interval)]
    if pd.notna(row["auroc"]):
        rows.append(("auroc", "", number(row["auroc"]), ""))
    return table(("", "validation", "test", "test, 95 % interval"), rows)


def _settings(record: Provenance | None) -> dict[str, object]:
    """The recorded settings of the fit; empty if there are none."""
    recorded = record.fingerprint.parameters if record else {}
    settings: dict[str, object] = {}
    for name, text in recorded.items():
        if name.endswith(".reference"):
            settings |= {key: value for key, value in json.loads(text).items() if key in ("max_rows", "seed")}
        if name.endswith(".balance"):
            settings["balance"] = json.loads(text)
    return settings
