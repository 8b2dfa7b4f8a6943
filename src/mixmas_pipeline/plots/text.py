"""A description's findings and an estimate in sentences, for the pages and for the tables that end a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mixmas_pipeline.utils.durations import duration


def findings_verdict(severities: Iterable[str]) -> str:
    """Whether a search would stop, and how many findings there are.

    Args:
        severities: "error", "warning" or "note", one per finding.
    """
    counts = Counter(severities)
    errors, warnings = (f"{counts[s]} {s}{'s' * (counts[s] > 1)}" for s in ("error", "warning"))
    if counts["error"]:
        return f"A search would stop: {errors}{f' and {warnings}' if counts['warning'] else ''}."
    if counts["warning"]:
        return f"A search would run; {warnings}: scores may mislead, or the model may not learn something."
    return "A search would run. Nothing speaks against it."


def estimate_sentences(estimate: Any, description: Any) -> dict[str, str]:
    """The estimated cost in sentences, by subject: search, training, memory. Empty if nothing was timed.

    Args:
        estimate: ``Estimate`` of the pipeline describe, of which plots know nothing but its attributes.
        description: its ``Description``.
    """
    if estimate.search is None:
        return {}
    search, plan, memory = estimate.search, description.search, estimate.bytes
    busy = estimate.load > estimate.cores + 1
    alone = ""
    if busy:
        load = f"load {estimate.load:.0f} on {estimate.cores} cores"
        alone = f" The machine is busy ({load}); without other programs: {duration(search.alone_seconds)}."
    return {
        "search": (
            f"Search: about {duration(search.seconds)} ({duration(search.least_seconds)} to "
            f"{duration(search.most_seconds)}) on {estimate.device}: {search.candidates} candidates, "
            f"{search.trials} trials of {search.steps // search.trials} steps, {search.at_once} at "
            f"once, trained on {plan.sample:,} rows, scored on {plan.holdout:,}.{alone}"
        ),
        "training": f"Full training: {_training_sentence(estimate.training, description.rows['train'], busy)}",
        "memory": (
            f"Memory: about {memory.at_once / 1e6:,.0f} MB for the trials that run at once, in addition to 500 MB per "
            f"process; {memory.largest_trial / 1e6:,.0f} MB for the largest trial, {memory.samples / 1e6:,.0f} MB for "
            f"the samples, {memory.training / 1e6:,.0f} MB for full training."
        ),
    }


def _training_sentence(training: Any, rows: int, busy: bool) -> str:
    if failed := getattr(training, "failed", None):
        return f"not timed, because it failed: {failed}"
    at_once = f", {training.at_once} at once" if training.at_once > 1 else ""
    sentence = (
        f"at most {duration(training.seconds)}: {training.epochs} epochs of "
        f"{duration(training.seconds_an_epoch)}{at_once}, {rows:,} rows."
    )
    if busy:
        alone = training.alone_seconds_an_epoch * training.seconds / training.seconds_an_epoch
        sentence += f" Without other programs: {duration(alone)}."
    return sentence
