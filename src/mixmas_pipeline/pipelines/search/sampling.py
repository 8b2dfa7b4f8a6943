"""The search's samples: how many examples, which ones, and how well they keep the class distribution."""

from __future__ import annotations

import logging
import math
from typing import Literal

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.tasks import strata_of
from mixmas_pipeline.pipelines.search.parameters import SampleParameters
from mixmas_pipeline.pipelines.search.results import SampleReport, SamplingReport

_AUTO_MARGIN, _AUTO_SHARES = 0.03, {"sample": 0.5, "holdout": 0.3}
_LEAST_EXAMPLES = 3  # of a stratum: one in each sample, and one that is in neither
_log = logging.getLogger(__name__)


def draw_samples(
    train: MultimodalTable, parameters: SampleParameters
) -> tuple[MultimodalTable, MultimodalTable, SamplingReport]:
    """Draw the two stratified samples that the search sees, and check their proportions.

    Returns:
        sample: to train candidates on; holdout: to score them on (disjoint); report: sizes and imbalances.

    Raises:
        ValueError: a class has fewer than 3 examples; a sample's class proportions differ too much. (Of a regression:
            the proportion of a range of a target's values.)
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
    )
    return tables[0], tables[1], report


def sample_size(population: int, z: float = 1.96, p: float = 0.5, margin: float = 0.05) -> int:
    """Sample size for a proportion, with finite population correction, rounded up.

    n = z^2 p (1 - p) / margin^2;  N' = n / (1 + n / N)   (Cochran 1977, section 4.4; MixMAS, "Sampling").

    With the defaults: 382 of 55,000, 375 of 15,552, 379 of 26,093.
    """
    n = z**2 * p * (1 - p) / margin**2
    return math.ceil(n / (1 + n / population))


def sample_sizes(
    population: int, margin: float | Literal["auto"], holdout_margin: float | Literal["auto"], z: float, p: float
) -> tuple[int, int]:
    """Rows of the training and the scoring sample.

    An "auto" margin is 0.03. It never takes more than half of the rows to train on or 3 in 10 to score on, nor more
    than 4 in 5 of the rows that a written margin of the other sample leaves.
    """
    sizes = {
        name: None if written == "auto" else sample_size(population, z, p, written)
        for name, written in (("sample", margin), ("holdout", holdout_margin))
    }
    written_rows = sum(size or 0 for size in sizes.values())
    free = int(0.8 * (population - written_rows)) if written_rows else population
    automatic = {
        name: max(1, min(sample_size(population, z, p, _AUTO_MARGIN), int(share * population), free))
        for name, share in _AUTO_SHARES.items()
    }
    return sizes["sample"] or automatic["sample"], sizes["holdout"] or automatic["holdout"]


def margin_for(sample: int, population: int, z: float = 1.96, p: float = 0.5) -> float:
    """The margin of error of a sample: the inverse of ``sample_size``. 0 for the whole population.

    n = N' / (1 - N' / N);  margin = z sqrt(p (1 - p) / n).
    """
    if sample >= population:
        return 0.0
    return z * math.sqrt(p * (1 - p) * (1 / sample - 1 / population))


def stratified_split(labels: np.ndarray, sizes: list[int], seed: int) -> list[np.ndarray]:
    """Disjoint samples of rows, each with nearly the same label distribution as the whole.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, algorithm 1): the rarest remaining label is
    assigned first, each of its examples to the sample that lacks it most, so that rare labels of a multilabel set are
    spread as evenly as frequent ones. With one label per example it is ordinary stratification.

    Args:
        labels: (n, classes) booleans.
        sizes: rows of each sample.
        seed: of the order in which equals are taken.

    Returns:
        Sorted row indices of each sample.

    Raises:
        ValueError: the samples together are larger than the population.
    """
    rows = len(labels)
    if sum(sizes) > rows:
        raise ValueError(f"samples of {sizes} rows together exceed the {rows} rows; raise the margins")
    rng = np.random.default_rng(seed)
    targets = np.array([*sizes, rows - sum(sizes)], dtype=np.int64)  # the rest is a sample too
    room = targets.copy()
    wanted = labels.sum(axis=0)[None, :] * (targets / rows)[:, None]
    assigned = np.full(rows, -1)
    order = rng.permutation(rows)
    shuffled = labels[order]
    left = shuffled.sum(axis=0)
    while (left > 0).any():
        remaining = np.flatnonzero(left > 0)
        label = remaining[left[remaining].argmin()]
        for position in np.flatnonzero(shuffled[:, label] & (assigned[order] < 0)):
            need = np.where(room > 0, wanted[:, label], -np.inf)
            best = np.flatnonzero(need == need.max())
            chosen = best[room[best].argmax()]
            assigned[order[position]] = chosen
            room[chosen] -= 1
            wanted[chosen] -= shuffled[position]
            left -= shuffled[position]
    for row in order[assigned[order] < 0]:  # rows without any label
        chosen = int(room.argmax())
        assigned[row] = chosen
        room[chosen] -= 1
    return [np.flatnonzero(assigned == part) for part in range(len(sizes))]


def worst_imbalance(labels: np.ndarray, rows: np.ndarray) -> tuple[float, int]:
    """Largest difference of a class's proportion between the rows and the whole, and that class.

    Args:
        labels: (n, classes) booleans.
        rows: the sample.
    """
    difference = np.abs(labels[rows].mean(axis=0) - labels.mean(axis=0))
    return float(difference.max()), int(difference.argmax())


def _check_counts(train: MultimodalTable, counts: np.ndarray, names: list[str]) -> None:
    """Refuse a stratum with too few examples."""
    if (counts >= _LEAST_EXAMPLES).all():
        return
    name, regression = names[int(counts.argmin())], train.schema.task == "regression"
    if name not in train.schema.classes:  # a range of a target, or the rows that have a modality
        raise ValueError(
            f"the training split has {counts.min()} examples {'in ' * regression}{name}; expected at least "
            f"{_LEAST_EXAMPLES}, so that some can be learnt from, some scored and some left over"
        )
    raise ValueError(
        f"class {name!r} has {counts.min()} examples in the training split; expected at least {_LEAST_EXAMPLES}, so "
        "that it can be learnt, scored and left over. Merge it with another class or remove it"
    )


def _report(kind: str, labels: np.ndarray, names: list[str], rows: np.ndarray, allowed: float) -> SampleReport:
    """A sample's size and imbalance. Refuses an imbalance above ``allowed``."""
    imbalance, worst = worst_imbalance(labels, rows)
    if imbalance > allowed:
        raise ValueError(
            f"the {kind} of {len(rows)} rows has class {names[worst]!r} off by {imbalance:.3f} in proportion; at most "
            f"{allowed} is allowed"
        )
    if missing := [names[c] for c in np.flatnonzero(~labels[rows].any(axis=0))]:
        _log.warning("The %s of %d rows has no example of %s", kind, len(rows), ", ".join(missing))
    return SampleReport(
        rows=len(rows), worst_imbalance=imbalance, worst_class=names[worst], classes=_counts(names, labels[rows])
    )


def _counts(names: list[str], labels: np.ndarray) -> dict[str, int]:
    return dict(zip(names, labels.sum(axis=0).tolist(), strict=True))
