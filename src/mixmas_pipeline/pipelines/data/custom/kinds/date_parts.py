"""Dates as facts: the time that has passed, and the place in the year, the week and the day on circles."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.pipelines.data.custom.dates import Moments, Rule, learn_rule, read_moments
from mixmas_pipeline.pipelines.data.custom.modalities import TabularParameters
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)
_DAYS = "days"
_EPOCH = np.datetime64("1970-01-01", "us")


def learn_dates(parameters: TabularParameters, rows: pd.DataFrame, column: str) -> dict[str, Any]:
    """Returns:
    form, zoned: see ``dates.Rule``; days: median, mean and std of the days since 1970 (after missing ones are the
    median), None if they do not vary; circles: the names of those that vary; missing: whether any is.

    Raises:
        CellError: see ``dates.learn_rule`` and ``dates.read_moments``.
    """
    rule = learn_rule(rows, column, parameters.format_of(column))
    moments = read_moments(rows, column, rule, parameters.time_zone)
    empty = np.isnan(moments.days)
    phases = {name: phase[~empty] for name, phase in _phases(moments).items()}
    varied = [name for name, phase in phases.items() if np.ptp(phase) > 0]
    days = None
    if np.ptp(moments.days[~empty]) > 0:
        median = float(np.median(moments.days[~empty]))
        filled = np.where(empty, median, moments.days)
        days = {"median": median, "mean": float(filled.mean()), "std": float(filled.std())}
    used = [_DAYS] * (days is not None) + varied
    same = [name for name in (_DAYS, *phases) if name not in used]
    first, last = (_EPOCH + np.timedelta64(round(end * 86_400e6), "us") for end in _ends(moments.days))
    _log.info(
        "%s: dates from %s to %s are the facts %s%s", column, first.item(), last.item(), ", ".join(used) or "none",
        f"; all training rows have the same {', '.join(same)}" if same else "", extra=LITERAL,
    )  # fmt: skip
    return {"form": rule.form, "zoned": rule.zoned, "days": days, "circles": varied, "missing": bool(empty.any())}


def prepare_dates(
    parameters: TabularParameters, learnt: dict[str, Any], rows: pd.DataFrame, column: str
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The column's facts, by what was learnt.

    Returns:
        Name -> (n,) float64: the standardised days (an empty cell: the training rows' median), and sine and cosine of
        each circle (an empty cell: 0 for both, the middle of the circle); (n,) truth values, which cells are empty.

    Raises:
        CellError: see ``dates.read_moments``.
    """
    moments = read_moments(rows, column, Rule(learnt["form"], learnt["zoned"]), parameters.time_zone)
    empty, facts = np.isnan(moments.days), {}
    if (known := learnt["days"]) is not None:
        facts[f"{column}: {_DAYS}"] = (np.where(empty, known["median"], moments.days) - known["mean"]) / known["std"]
    phases = _phases(moments)
    for name in learnt["circles"]:
        for part, function in (("sin", np.sin), ("cos", np.cos)):
            facts[f"{column}: {name} ({part})"] = np.where(empty, 0.0, function(2 * np.pi * phases[name]))
    return facts, empty


def _phases(moments: Moments) -> dict[str, np.ndarray]:
    """Name of a circle -> (n,) float64, the part of its way that is behind, from 0 to below 1."""
    filled = np.where(np.isnat(moments.clock), _EPOCH, moments.clock)
    day = filled.astype("datetime64[D]")
    year = day.astype("datetime64[Y]")
    start = year.astype("datetime64[D]")
    length = ((year + 1).astype("datetime64[D]") - start).astype(np.int64)
    return {
        "time of year": (day - start).astype(np.int64) / length,
        "weekday": (day.astype(np.int64) + 3) % 7 / 7,  # 1970-01-01 was a Thursday; Monday is 0
        "time of day": (filled - day).astype("timedelta64[us]").astype(np.int64) / 86_400e6,
    }


def _ends(days: np.ndarray) -> tuple[float, float]:
    return float(np.nanmin(days)), float(np.nanmax(days))
