"""Nodes of describe: tables in; facts, each with its findings, and an estimate out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.search.results import Proposal
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.resources import ComputeParameters

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def measure_tables(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> dict[str, Any]:
    """Rows, values, labels, what is missing. Nothing is chosen by it.

    Returns:
        facts: source, task, rows, modalities, labels, patterns, masks; findings.
    """
    from dataclasses import asdict

    from mixmas_pipeline.pipelines.describe.facts import masks, modality_facts, modality_findings, patterns
    from mixmas_pipeline.pipelines.describe.labels import label_facts, label_findings

    splits = {"train": train, "validation": validation, "test": test}
    schema = train.schema
    values = {
        name: {split: modality_facts(table, name) for split, table in splits.items()} for name in schema.modalities
    }
    spread = label_facts(splits)
    return {
        "facts": {
            "source": schema.source,
            "task": schema.task,
            "rows": {split: len(table) for split, table in splits.items()},
            "modalities": {name: {**asdict(m), "splits": values[name]} for name, m in schema.modalities.items()},
            "labels": spread,
            "patterns": {split: patterns(table) for split, table in splits.items()},
            "masks": {split: masks(table) for split, table in splits.items()},
        },
        "findings": modality_findings(values, schema.modalities) + label_findings(splits, spread),
    }


def find_duplicates(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> dict[str, Any]:
    """Examples that are there twice, within a split and across.

    Returns:
        facts: as of ``duplicates.find_duplicates``; findings.
    """
    from mixmas_pipeline.pipelines.describe.duplicates import find_duplicates as find

    facts, findings = find({"train": train, "validation": validation, "test": test})
    return {"facts": facts, "findings": findings}


def find_leaks(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> dict[str, Any]:
    """Single features that tell the label, and groups that lie in two splits.

    Returns:
        facts: features, groups; findings.
    """
    from mixmas_pipeline.pipelines.describe.leaks import shared_groups, single_features

    features, found = single_features(train)
    splits = {"train": train, "validation": validation, "test": test}
    groups, more = shared_groups({s: t.extra for s, t in splits.items()}, {s: t.ids for s, t in splits.items()})
    return {"facts": {"features": features, "groups": groups}, "findings": found + more}


def measure_cells(
    train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame, table: dict[str, Any]
) -> dict[str, Any]:
    """Empty cells of a file's rows, and groups that lie in two splits.

    Args:
        table: ``TableParameters``, which say what the columns are used for.

    Returns:
        facts: as of ``cells.cell_facts``; findings.
    """
    from mixmas_pipeline.pipelines.data.custom.cells import ID
    from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
    from mixmas_pipeline.pipelines.describe.cells import cell_facts, cell_findings, group_columns
    from mixmas_pipeline.pipelines.describe.leaks import shared_groups

    splits = {"train": train, "validation": validation, "test": test}
    facts = cell_facts(splits)
    columns = group_columns(splits, TableParameters.model_validate(table))
    _, shared = shared_groups(columns, {split: rows[ID].to_numpy() for split, rows in splits.items()})
    found = cell_findings(facts, {split: len(rows) for split, rows in splits.items()})
    return {"facts": facts, "findings": found + shared}


def plan_search(train: MultimodalTable, search: dict[str, Any], training: TrainingParameters) -> dict[str, Any]:
    """The candidates that a search would train, and what it would stop at.

    Args:
        search: ``SearchParameters``. (Not by its type: other nodes name parts of it, and Kedro, which makes the typed
            ones in no fixed order, cannot set a part of what it has already made.)

    Returns:
        facts: as of ``plan.plan_search``; findings.
    """
    from mixmas_pipeline.pipelines.describe.plan import plan_search as plan

    facts, findings = plan(train, SearchParameters.model_validate(search), training)
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

    proposals = [Proposal.model_validate(proposal) for proposal in plan["facts"]["proposals"]]
    if not proposals or any(f["severity"] == "error" for f in plan["findings"]):
        return {}
    space = SearchParameters.model_validate(search)
    sample, holdout, _ = draw_samples(train, space)
    return estimate(proposals, sample, holdout, train, validation, space, training, compute)
