"""The two samples that a search draws from the training split: one to train candidates on, one to score them on."""

from __future__ import annotations

import logging

import numpy as np

from mixmas_pipeline.data.sampling import sample_sizes, stratified_split, worst_imbalance
from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.strata import label_strata, strata_of
from mixmas_pipeline.pipelines.search.parameters import SampleParameters
from mixmas_pipeline.pipelines.search.results import SampleReport, SamplingReport

_LEAST_EXAMPLES = 3  # of a stratum: one in each sample, and one that is in neither
_log = logging.getLogger(__name__)


def draw_samples(
    train: MultimodalTable, parameters: SampleParameters
) -> tuple[MultimodalTable, MultimodalTable, SamplingReport]:
    """Draw the two stratified samples that the search sees, and check their proportions.

    Returns:
        sample: to train candidates on; holdout: to score them on (disjoint); report: sizes and imbalances.

    Raises:
        ValueError: fewer than two classes have 2 examples; a sample's class proportions differ too much. (Of a
            regression: the proportion of a range of a target's values.)
    """
    labels, names = strata_of(train)
    _check_counts(train, labels.sum(axis=0), names)
    margins = (parameters.margin, parameters.holdout_margin)
    sizes = sample_sizes(len(train), *margins, parameters.z, parameters.p)
    tables, reports = [], []
    for kind, rows in zip(("sample", "holdout"), stratified_split(labels, list(sizes), parameters.seed), strict=True):
        reports.append(_report(kind, labels, names, rows, parameters.balance))
        tables.append(train.take(rows))
        tables[-1].check()
    _log.info("Sample: %d rows to train on and %d to score on, of %d", *sizes, len(train))
    report = SamplingReport(
        source=train.schema.source,
        population=len(train),
        classes=_counts(names, labels),
        sample=reports[0],
        holdout=reports[1],
        positive=train.schema.positive,
    )
    return tables[0], tables[1], report


def _check_counts(train: MultimodalTable, counts: np.ndarray, names: list[str]) -> None:
    """Say which strata have too few examples; refuse a table that has nothing to tell apart."""
    rare = [name for name, count in zip(names, counts, strict=True) if count < _LEAST_EXAMPLES]
    if not rare:
        return
    of_labels = label_strata(train.schema.task, train.labels, train.schema.classes)[0].sum(axis=0)
    several = int((of_labels >= 2).sum())
    if several < min(2, len(of_labels)):
        raise ValueError(
            f"{several} of {len(of_labels)} classes have 2 examples or more in the training split "
            f"({names[int(of_labels.argmin())]!r} has {of_labels.min()}); expected two, so that they can be learnt and "
            "scored. Merge classes, or train on more rows"
        )
    shown = ", ".join(map(repr, rare[:10])) + f" and {len(rare) - 10} more" * (len(rare) > 10)
    _log.warning(
        "The training split has fewer than %d examples of %s: the search can hardly learn or score them; merging them "
        "with others would help",
        _LEAST_EXAMPLES, shown,
    )  # fmt: skip


def _report(kind: str, labels: np.ndarray, names: list[str], rows: np.ndarray, allowed: float) -> SampleReport:
    """A sample's size and imbalance. Refuses an imbalance above ``allowed`` and above two rows."""
    imbalance, worst = worst_imbalance(labels, rows)
    if imbalance > max(allowed, 2 / len(rows)):
        raise ValueError(
            f"the {kind} of {len(rows)} rows has class {names[worst]!r} off by {imbalance:.3f} in proportion; at most "
            f"{allowed} is allowed (search.sample.balance). Raise it, or take more rows (a smaller margin or "
            "holdout_margin)"
        )
    if missing := [names[c] for c in np.flatnonzero(~labels[rows].any(axis=0))]:
        _log.warning("The %s of %d rows has no example of %s", kind, len(rows), ", ".join(missing))
    return SampleReport(
        rows=len(rows), worst_imbalance=imbalance, worst_class=names[worst], classes=_counts(names, labels[rows])
    )


def _counts(names: list[str], labels: np.ndarray) -> dict[str, int]:
    return dict(zip(names, labels.sum(axis=0).tolist(), strict=True))
