"""Nodes of describe: tables in; facts, each with its findings, and an estimate out."""

from __future__ import annotations

from typing import Any

from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.learning.parameters import SearchParameters, TrainingParameters
from mixmas_pipeline.runners.compute import ComputeParameters


def measure_tables(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> dict[str, Any]:
    """Rows, values, labels, what is missing. Nothing is chosen by it.

    Returns:
        facts: source, task, rows, modalities, labels, patterns, masks; findings.
    """
    from dataclasses import asdict

    from mixmas_pipeline.pipelines.describe import facts, labels

    splits = {"train": train, "validation": validation, "test": test}
    schema = train.schema
    values = {
        name: {split: facts.modality_facts(table, name) for split, table in splits.items()}
        for name in schema.modalities
    }
    spread = labels.label_facts(splits)
    return {
        "facts": {
            "source": schema.source,
            "task": schema.task,
            "rows": {split: len(table) for split, table in splits.items()},
            "modalities": {name: {**asdict(m), "splits": values[name]} for name, m in schema.modalities.items()},
            "labels": spread,
            "patterns": {split: facts.patterns(table) for split, table in splits.items()},
            "masks": {split: facts.masks(table) for split, table in splits.items()},
        },
        "findings": facts.modality_findings(values, schema.modalities) + labels.label_findings(splits, spread),
    }


def find_duplicates(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> dict[str, Any]:
    """Examples that are there twice, within a split and across.

    Returns:
        facts: as of ``duplicates.find_duplicates``; findings.
    """
    from mixmas_pipeline.pipelines.describe import duplicates

    facts, findings = duplicates.find_duplicates({"train": train, "validation": validation, "test": test})
    return {"facts": facts, "findings": findings}


def find_leaks(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> dict[str, Any]:
    """Single features that tell the label, and groups that lie in two splits.

    Returns:
        facts: features, groups; findings.
    """
    from mixmas_pipeline.pipelines.describe import leaks

    features, found = leaks.single_features(train)
    groups, more = leaks.shared_groups({"train": train, "validation": validation, "test": test})
    return {"facts": {"features": features, "groups": groups}, "findings": found + more}


def plan_search(train: MultimodalTable, search: dict[str, Any], training: TrainingParameters) -> dict[str, Any]:
    """The candidates that a search would train, and what it would stop at.

    Args:
        search: of ``SearchParameters``. Not as a model: Kedro makes models of its parts for other nodes.

    Returns:
        facts: as of ``plan.plan_search``; findings.
    """
    from mixmas_pipeline.pipelines.describe import plan

    facts, findings = plan.plan_search(train, SearchParameters.model_validate(search), training)
    return {"facts": facts, "findings": findings}


def estimate_cost(
    train: MultimodalTable,
    validation: MultimodalTable,
    plan: dict[str, Any],
    search: dict[str, Any],
    training: TrainingParameters,
    compute: ComputeParameters,
) -> dict[str, Any]:
    """What a search and a full training will take, by timing a few steps: see ``estimate.estimate``. It is measured,
    so that no two runs give the same seconds. Without a candidate that fits it is empty; so it is where a search would
    stop at the data or a setting."""
    from mixmas_pipeline.pipelines.describe.estimate import estimate
    from mixmas_pipeline.pipelines.describe.plan import draw_samples

    proposals = plan["facts"]["proposals"]
    if not proposals or any(f["severity"] == "error" for f in plan["findings"]):
        return {}
    space = SearchParameters.model_validate(search)
    sample, holdout, _ = draw_samples(train, space)
    return estimate(proposals, sample, holdout, train, validation, space, training, compute)
