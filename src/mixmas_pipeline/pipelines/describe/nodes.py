"""Nodes of describe: tables in; reports, a description and an estimate out."""

from __future__ import annotations

import logging
from itertools import chain
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.describe.results import (
    CellReport,
    Description,
    DuplicateReport,
    Estimate,
    LeakReport,
    PlanReport,
    TableFacts,
    TableReport,
    TargetFacts,
)
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.resources import ComputeParameters

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_LOGGED = 10  # warnings
_log = logging.getLogger(__name__)


def measure_tables(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> TableReport:
    """Rows, values, labels and missing modalities. Nothing is chosen by them."""
    from mixmas_pipeline.pipelines.describe.facts import masks, modality_facts, modality_findings, patterns
    from mixmas_pipeline.pipelines.describe.labels import label_facts, label_findings

    splits = {"train": train, "validation": validation, "test": test}
    facts = TableFacts(
        source=train.schema.source,
        task=train.schema.task,
        rows={split: len(table) for split, table in splits.items()},
        modalities={name: modality_facts(splits, name) for name in train.schema.modalities},
        labels=label_facts(splits),
        patterns={split: patterns(table) for split, table in splits.items()},
        masks={split: masks(table) for split, table in splits.items()},
    )
    findings = modality_findings(facts.modalities) + label_findings(splits, facts.labels)
    return TableReport(facts=facts, findings=tuple(findings))


def find_duplicates(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> DuplicateReport:
    """Duplicates within a split and across splits."""
    from mixmas_pipeline.pipelines.describe import duplicates

    facts, findings = duplicates.find_duplicates({"train": train, "validation": validation, "test": test})
    return DuplicateReport(facts=facts, findings=tuple(findings))


def find_leaks(train: MultimodalTable, validation: MultimodalTable, test: MultimodalTable) -> LeakReport:
    """Single features that predict the label, and groups that lie in two splits."""
    from mixmas_pipeline.pipelines.describe.leaks import shared_groups, single_features
    from mixmas_pipeline.pipelines.describe.results import LeakFacts

    features, findings = single_features(train)
    splits = {"train": train, "validation": validation, "test": test}
    groups, more = shared_groups({s: t.extra for s, t in splits.items()}, {s: t.ids for s, t in splits.items()})
    return LeakReport(facts=LeakFacts(features=features, groups=groups), findings=(*findings, *more))


def measure_cells(
    train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame, table: dict[str, Any]
) -> CellReport:
    """Empty cells of a file's rows, and groups that lie in two splits.

    Args:
        train, validation, test: rows of the file.
        table: ``TableParameters``, which say what the columns are used for.
    """
    from mixmas_pipeline.pipelines.data.custom.cells import ID
    from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
    from mixmas_pipeline.pipelines.describe.cells import cell_facts, cell_findings, group_columns
    from mixmas_pipeline.pipelines.describe.leaks import shared_groups

    splits = {"train": train, "validation": validation, "test": test}
    facts = cell_facts(splits)
    findings = cell_findings(facts, {split: len(rows) for split, rows in splits.items()})
    columns = group_columns(splits, TableParameters.model_validate(table))
    _, group_findings = shared_groups(columns, {split: rows[ID].to_numpy() for split, rows in splits.items()})
    return CellReport(facts=facts, findings=(*findings, *group_findings))


def plan_search(train: MultimodalTable, search: dict[str, Any], training: TrainingParameters) -> PlanReport:
    """The candidates that a search would train, and every error at which it would stop.

    Args:
        train: the training split.
        search: ``SearchParameters``. (Not typed: other nodes take parts of this section. Kedro instantiates typed
            sections in no fixed order, and cannot set a part of one that it has instantiated.)
        training: settings, which are checked.
    """
    from mixmas_pipeline.pipelines.describe import plan

    facts, findings = plan.plan_search(train, SearchParameters.model_validate(search), training)
    return PlanReport(facts=facts, findings=tuple(findings))


def conclude(
    tables: TableReport,
    duplicates: DuplicateReport,
    leaks: LeakReport,
    plan: PlanReport,
    cells: CellReport | None = None,
) -> tuple[Description, pd.DataFrame, Any]:
    """Combine the reports.

    Args:
        tables, duplicates, leaks, plan: the checks' reports.
        cells: of a data set that was made from a file. Default None.

    Returns:
        All facts and findings; the findings as a table, the most severe first; the figure of the labels' distribution.
    """
    from mixmas_pipeline.pipelines.describe.findings import as_frame, by_severity, counted

    cells = cells or CellReport(facts={})
    reports = (plan, tables, cells, duplicates, leaks)
    findings = by_severity(chain.from_iterable(report.findings for report in reports))
    frame = as_frame(findings)
    counts = frame["severity"].value_counts().to_dict()
    description = Description(
        **dict(tables.facts),
        duplicates=duplicates.facts,
        leaks=leaks.facts,
        search=plan.facts,
        cells=cells.facts,
        findings=findings,
        search_would_stop="error" in counts,
    )
    level = logging.WARNING if counts.keys() & {"error", "warning"} else logging.INFO
    _log.log(level, "Findings: %s", ", ".join(counted(n, severity) for severity, n in counts.items()) or "none")
    return description, frame, _labels_figure(tables.facts)


def report_checks(duplicates: DuplicateReport, leaks: LeakReport, cells: CellReport) -> pd.DataFrame:
    """Log the warnings of the checks that every run makes.

    Returns:
        The findings, the most severe first.
    """
    from mixmas_pipeline.pipelines.describe.findings import as_frame, by_severity

    findings = by_severity(chain(leaks.findings, duplicates.findings, cells.findings))
    for one in [one for one in findings if one.severity != "note"][:_LOGGED]:
        where = ": ".join(filter(None, (one.split, one.modality)))
        _log.warning("%s%s. %s", f"{where}: " if where else "", one.what, one.advice)
    return as_frame(findings)


def _labels_figure(facts: TableFacts) -> Any:
    from mixmas_pipeline.plots.data import class_balance_figure, target_histograms

    if isinstance(facts.labels, TargetFacts):
        return target_histograms(facts.labels.targets, facts.rows)
    return class_balance_figure(facts.labels.classes, facts.rows)


def estimate_cost(
    train: MultimodalTable,
    validation: MultimodalTable,
    plan: PlanReport,
    search: dict[str, Any],
    training: TrainingParameters,
    compute: ComputeParameters,
) -> Estimate:
    """Time and memory of a search and a full training, from a few timed steps: see ``estimate.estimate``.

    The times are measured, so no two runs give the same. If the search would stop, nothing is timed.

    Args:
        train, validation: splits.
        plan: the candidates.
        search: ``SearchParameters``, see ``plan_search``.
        training, compute: settings.
    """
    from mixmas_pipeline.pipelines.describe import estimate
    from mixmas_pipeline.pipelines.describe.plan import draw_samples

    space = SearchParameters.model_validate(search)
    if not plan.facts.proposals or any(finding.severity == "error" for finding in plan.findings):
        return estimate.nothing_timed(space)
    sample, holdout, _ = draw_samples(train, space)
    tables = estimate.Tables(sample, holdout, train, validation)
    return estimate.estimate(plan.facts.proposals, tables, space, training, compute)


def write_page(description: Description, estimate: Estimate, balance_figure: Any) -> str:
    """Everything on one HTML page that needs no other file and no network."""
    from mixmas_pipeline.pipelines.describe.page import render

    return render(description, estimate, balance_figure)
