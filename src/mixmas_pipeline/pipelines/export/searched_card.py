"""The searched model's part of the card: how it was chosen and trained, and its scores."""

from __future__ import annotations

import json

import pandas as pd

from mixmas_pipeline.datasets.record import Provenance
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.pipelines.export.artefacts import Artefacts
from mixmas_pipeline.pipelines.export.card import About, number, pairs, render, table

_SECTIONS = """\
## How it was chosen

Candidates were trained on {{ sampling.sample.rows }} of the {{ sampling.population }} training examples, a stratified
sample, and scored on {{ sampling.holdout.rows }} others, stage by stage. The validation and test splits were not used.

{{ tables.stages }}

Scores are means of the search's metric over the seeds.
{% if members %}The chosen architecture was then trained as {{ members }} members of an ensemble. A linear model and
boosted trees may be members too. `ensemble.json` has the weight of each; rows that a member was not trained on set the
weights.
{% else %}The chosen architecture was then trained on the whole training split for {{ epochs }} epoch
{{- "s" if epochs != 1 }}. The weights are those of the epoch with the best score on the validation split; with
`training.refit`, of a second training, on both splits, to that epoch.
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
"""
_LIBRARIES = ("torch", "pytorch-lightning", "numpy")
_OTHERS = ("head alone", "training median")  # scores of others than the fused model, beside the dummy baseline's


def about_searched(artefacts: Artefacts) -> About:
    """What the card says of the searched model.

    Args:
        artefacts: results of the search and the training.
    """
    dummy, members, record = task_of(artefacts.architecture.task).dummy, _members(artefacts), artefacts.record
    libraries = record.fingerprint.libraries if record else {}
    sections = render(
        _SECTIONS,
        sampling=artefacts.sampling,
        epochs=len(artefacts.history),
        members=members,
        record=record,
        settings=pairs(_training_settings(record)),
        libraries=pairs({name: libraries[name] for name in libraries if name in _LIBRARIES}),
        dummy=dummy,
        patterns=artefacts.patterns.to_dict("records"),
        tables={
            "stages": _stages_table(artefacts.leaderboard),
            "scores": _scores_table(artefacts.metrics),
            "patterns": _patterns_table(artefacts.patterns) if len(artefacts.patterns) > 1 else "",
        },
    )
    return About(
        title="MixMAS",
        what="An all-MLP model",
        made="searched and trained",
        training="training",
        tags=("all-mlp",),
        drawing=True,
        has_heads=True,
        uses=_uses(artefacts, members),
        classes=artefacts.sampling.classes,
        sections=sections,
        test={n: v for n, v in artefacts.metrics["test"].items() if not n.endswith((dummy, *_OTHERS))},
        test_rows=len(artefacts.predictions),
        thresholds=artefacts.thresholds,
    )


def _members(artefacts: Artefacts) -> int:
    """The networks of an ensemble; 0 for a single model."""
    return artefacts.history["member"].nunique() if "member" in artefacts.history else 0


def _uses(artefacts: Artefacts, members: int) -> dict[str, str]:
    validation = "training or early stopping, weights of the members" if members else "early stopping"
    return {
        "training": "search and training",
        "validation": f"{validation}, thresholds" if artefacts.thresholds else validation,
        "test": "scores, after everything was chosen",
    }


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
    return table(("stage", "candidates", "chosen", "score", "spread", "seeds", "steps"), rows)


def _scores_table(metrics: dict[str, dict[str, float]]) -> str:
    splits = ("validation", "test")
    names = dict.fromkeys(name for split in splits for name in metrics[split])
    rows = [(name, *(number(metrics[split].get(name)) for split in splits)) for name in names]
    return table(("", *splits), rows)


def _patterns_table(patterns: pd.DataFrame) -> str:
    header = (
        "modalities",
        "examples with exactly these",
        "score",
        "examples with at least these",
        "score with only these",
    )
    rows = [
        (row["pattern"], row["rows"], number(row["score"]), row["rows_with_more"], number(row["score_when_masked"]))
        for row in patterns.to_dict("records")
    ]
    return table(header, rows)


def _training_settings(record: Provenance | None) -> dict[str, object]:
    """The recorded settings of the training; empty if there are none."""
    recorded = record.fingerprint.parameters if record else {}
    texts = [text for name, text in recorded.items() if name.endswith(".training")]
    settings: dict[str, object] = json.loads(texts[0]) if texts else {}
    return {name: value for name, value in settings.items() if value is not None}
