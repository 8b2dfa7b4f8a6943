"""A finding: something that is wrong with the data or the search's parameters, or may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import pandas as pd

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
COLUMNS = ("severity", "what", "split", "modality", "rows", "count", "advice")
_EXAMPLES = 5


def finding(
    severity: Severity,
    what: str,
    advice: str,
    *,
    split: str = "",
    modality: str = "",
    rows: Iterable[Any] = (),
    count: int = 1,
) -> dict[str, Any]:
    """One finding, as JSON.

    Args:
        severity: "error": a search stops at it; "warning": scores would mislead, or something will not be learnt;
            "note": to be known.
        what: found, with its numbers.
        advice: what to do.
        split, modality: where; empty: everywhere.
        rows: ids of those concerned; the first five are kept.
        count: how many are concerned: rows, or classes or features where ``what`` says so.
    """
    shown = [str(row) for _, row in zip(range(_EXAMPLES), rows, strict=False)]
    values = (severity, what, split, modality, ", ".join(shown), int(count), advice)
    return dict(zip(COLUMNS, values, strict=True))


def counted(count: int, thing: str) -> str:
    """ "1 row", "2,000 rows"."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def as_frame(findings: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The findings, the worst first; none but the columns where there are none."""
    frame = pd.DataFrame(list(findings), columns=list(COLUMNS)).astype({"count": "int64"})
    order = frame["severity"].map(SEVERITIES.index)
    return frame.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def standard_errors(a: float, n: int, b: float, m: int) -> float:
    """How many standard errors two proportions, of n and of m rows, are apart."""
    pooled = (a * n + b * m) / (n + m)
    error = (pooled * (1 - pooled) * (1 / n + 1 / m)) ** 0.5
    return abs(a - b) / error if error else 0.0
