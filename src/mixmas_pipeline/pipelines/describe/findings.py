"""Making, counting and sorting findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import get_args

import pandas as pd

from mixmas_pipeline.pipelines.describe.results import Finding, Severity

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_EXAMPLES = 5


def finding(
    severity: Severity,
    what: str,
    advice: str,
    *,
    split: str = "",
    modality: str = "",
    rows: Iterable[object] = (),
    count: int = 1,
) -> Finding:
    """A ``Finding`` that names the first five of the affected rows.

    Args:
        rows: ids of the affected rows.
        severity, what, advice, split, modality, count: see ``Finding``.
    """
    shown = ", ".join(str(row) for row in islice(rows, _EXAMPLES))
    return Finding(
        severity=severity, what=what, split=split, modality=modality, rows=shown, count=int(count), advice=advice
    )


def counted(count: int, thing: str) -> str:
    """ "1 row", "2,000 rows"."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def listed(counts: Mapping[str, int], most: int = 10) -> str:
    """The rarest ones with their numbers: "'a' (1), 'b' (4) and 3 more"."""
    rarest = sorted(counts, key=lambda name: counts[name])
    shown = ", ".join(f"{name!r} ({counts[name]})" for name in rarest[:most])
    return shown + f" and {len(rarest) - most} more" * (len(rarest) > most)


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The most severe first; equally severe ones keep their order."""
    return tuple(sorted(findings, key=lambda one: SEVERITIES.index(one.severity)))


def as_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row per finding, one column per field."""
    rows = [one.model_dump() for one in findings]
    return pd.DataFrame(rows, columns=list(Finding.model_fields)).astype({"count": "int64"})


def standard_errors(a: float, n: int, b: float, m: int) -> float:
    """The difference between two proportions, of n and of m rows, in standard errors."""
    pooled = (a * n + b * m) / (n + m)
    error = (pooled * (1 - pooled) * (1 / n + 1 / m)) ** 0.5
    return abs(a - b) / error if error else 0.0
