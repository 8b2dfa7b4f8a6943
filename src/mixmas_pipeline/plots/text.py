"""Artefacts in sentences, for the pages and for the tables that end a run."""

from __future__ import annotations

from typing import Any

from mixmas_pipeline.utils.durations import duration


def findings_verdict(findings: list[dict[str, Any]]) -> str:
    """The findings of a description in one sentence: whether a search would stop, and how many findings there are.

    Args:
        findings: rows of the table ``findings``.
    """
    counts = {severity: sum(f["severity"] == severity for f in findings) for severity in ("error", "warning")}
    errors, warnings = (f"{n} {severity}{'s' * (n > 1)}" for severity, n in counts.items())
    if counts["error"]:
        return f"A search would stop: {errors}{f'; beside them {warnings}' if counts['warning'] else ''}."
    if counts["warning"]:
        return f"A search would run; {warnings}: where its scores would mislead, or what it would miss."
    return "A search would run, and nothing was found that speaks against it."


def estimate_sentences(estimate: dict[str, Any], description: dict[str, Any]) -> dict[str, str]:
    """The estimated cost in sentences, by subject: search, training, memory."""
    search, training, size = (estimate[part] for part in ("search", "training", "bytes"))
    plan = description["search"]
    load, cores = estimate["load"], estimate["cores"]
    busy = ""
    if load > cores + 1:
        on = f" The machine is busy (load {load:.0f} on {cores} cores)"
        busy = f"{on}; alone on it: {duration(search['alone_seconds'])}."
    return {
        "search": (
            f"Search: about {duration(search['seconds'])} ({duration(search['least_seconds'])} to "
            f"{duration(search['most_seconds'])}) on {estimate['device']}: {search['candidates']} candidates, "
            f"{search['trials']} trainings of {search['steps'] // search['trials']} steps, {search['at_once']} at "
            f"once, on {plan['sample']:,} rows, scored on {plan['holdout']:,}.{busy}"
        ),
        "training": f"Full training: {_training_sentence(training, description['rows']['train'], alone=bool(busy))}",
        "memory": (
            f"Memory: about {size['at_once'] / 1e6:,.0f} MB for the trials at once, beside 500 MB a process; the "
            f"largest takes {size['largest_trial'] / 1e6:,.0f} MB, the samples {size['samples'] / 1e6:,.0f} MB."
        ),
    }


def _training_sentence(training: dict[str, Any], rows: int, *, alone: bool) -> str:
    if "failed" in training:
        return f"not timed, for it failed: {training['failed']}"
    sentence = (
        f"at most {duration(training['seconds'])}: {training['epochs']} epochs of "
        f"{duration(training['seconds_an_epoch'])}, {rows:,} rows."
    )
    if alone:
        sentence += f" Alone on the machine: {duration(training['alone_seconds_an_epoch'] * training['epochs'])}."
    return sentence
