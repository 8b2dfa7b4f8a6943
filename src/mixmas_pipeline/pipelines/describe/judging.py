"""Nodes of describe that put together what the others have found: a change here measures nothing again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)


def conclude(
    tables: dict[str, Any],
    duplicates: dict[str, Any],
    leaks: dict[str, Any],
    plan: dict[str, Any],
    cells: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], pd.DataFrame, Any]:
    """Put together what was found.

    Args:
        cells: of a data set that was made from a file.

    Returns:
        All facts; all findings, the worst first; the figure of how the labels are spread.
    """
    from mixmas_pipeline.pipelines.describe.findings import as_frame, counted
    from mixmas_pipeline.plots.data import balance_figure

    parts = {"duplicates": duplicates, "leaks": leaks, "search": plan, "cells": cells or {"facts": {}, "findings": []}}
    ordered = (plan, tables, parts["cells"], duplicates, leaks)
    findings = as_frame(finding for part in ordered for finding in part["findings"])
    counts = findings["severity"].value_counts().to_dict()
    description = {
        **tables["facts"],
        **{name: part["facts"] for name, part in parts.items()},
        "findings": findings.to_dict("records"),
        "search_would_stop": "error" in counts,
    }
    level = logging.WARNING if counts.keys() & {"error", "warning"} else logging.INFO
    _log.log(level, "Findings: %s", ", ".join(counted(n, severity) for severity, n in counts.items()) or "none")
    return description, findings, balance_figure(tables["facts"])


def write_page(description: dict[str, Any], estimate: dict[str, Any], balance_figure: Any) -> str:
    """Everything on one HTML page that needs no other file and no network."""
    from mixmas_pipeline.pipelines.describe.page import render

    return render(description, estimate, balance_figure)
