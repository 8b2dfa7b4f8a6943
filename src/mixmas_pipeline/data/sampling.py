"""How large a sample is, and stratified draws of rows."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np

_DIVISIONS, _DIVIDED_GROUPS = 50, 20_000  # tries, and groups in all of them together, of a division of groups
_AUTO_MARGIN, _AUTO_SHARES = 0.03, {"sample": 0.5, "holdout": 0.3}


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
    spread as evenly as frequent ones. With one label per example, rows are exchanged afterwards where a class has more
    or less than its share: many rare classes that were rounded up would leave nothing of the last one.

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
    if labels.sum(axis=1).max(initial=0) <= 1:
        _exchange(assigned, labels, order, targets / rows)
    return [np.flatnonzero(assigned == part) for part in range(len(sizes))]


def _exchange(assigned: np.ndarray, labels: np.ndarray, order: np.ndarray, shares: np.ndarray) -> None:
    """Exchange rows of two classes between two parts, in place, as long as a class is a row or more away from its share
    and the squared deviations shrink by it. The last part, the rest, keeps a row of each class that it has.

    Args:
        assigned: (n,) the part of each row.
        labels: (n, classes) booleans, at most one per row.
        order: of the rows, from which exchanged rows are taken.
        shares: of the parts.
    """
    classes = np.where(labels.any(axis=1), labels.argmax(axis=1), labels.shape[1])  # no label is a class too
    counts = np.zeros((labels.shape[1] + 1, len(shares)))
    np.add.at(counts, (classes, assigned), 1)
    excess = counts - counts.sum(axis=1, keepdims=True) * shares
    spare = np.append(np.zeros(len(shares) - 1), 1)  # rows that a part keeps of a class
    while np.abs(excess).max() >= 1:
        best = 2.0, (0, 0, 0, 0)  # below it the sum of squares would not shrink
        for first, second in itertools.permutations(range(len(shares)), 2):
            gives = np.where(counts[:, first] > spare[first], excess[:, first] - excess[:, second], -np.inf)
            takes = np.where(counts[:, second] > spare[second], excess[:, second] - excess[:, first], -np.inf)
            gain = gives.max() + takes.max()
            if gain > best[0] + 1e-9:
                best = float(gain), (first, second, int(gives.argmax()), int(takes.argmax()))
        if best[0] == 2:
            return
        first, second, given, taken = best[1]
        for class_, before, after in ((given, first, second), (taken, second, first)):
            row = order[np.flatnonzero((classes[order] == class_) & (assigned[order] == before))[-1]]
            assigned[row] = after
            counts[class_, before] -= 1
            counts[class_, after] += 1
            excess[class_, before] -= 1
            excess[class_, after] += 1


def grouped_split(strata: np.ndarray, groups: np.ndarray, shares: list[float], seed: int) -> np.ndarray:
    """Assign whole groups to parts so that each part has its share of the rows, and of the rows of each stratum.

    The best of several random divisions is taken: first by how many strata are missing in part 0, which is trained on,
    then by how many are missing in the others, then by the squared differences of the shares, relative to each stratum.
    A division takes the groups in a random order in which large ones tend to come early. Each group goes to the part
    whose shares it improves most, among the parts that have less than their share of the rows.

    Args:
        strata: (n, strata) booleans.
        groups: (n,) numbers from 0.
        shares: of the parts 1, 2, ...; part 0 has the rest.
        seed: of the orders.

    Returns:
        (groups,) the part of each.
    """
    count = int(groups.max()) + 1
    rows = np.column_stack([np.ones(len(groups)), strata])  # all rows are a stratum too
    sizes = np.zeros((count, rows.shape[1]))
    np.add.at(sizes, groups, rows)
    portions = sizes / np.maximum(sizes.sum(axis=0), 1)
    wanted = np.array([1 - sum(shares), *shares])[:, None] * np.ones(rows.shape[1])
    rng = np.random.default_rng(seed)
    divisions = []
    for _ in range(max(2, min(_DIVISIONS, _DIVIDED_GROUPS // count))):
        order = np.argsort(-sizes[:, 0] * rng.uniform(0.25, 1, count), kind="stable")
        divisions.append(_divided(portions, wanted, order))
    return min(divisions, key=lambda parts: _faults(portions, wanted, parts))


def _divided(portions: np.ndarray, wanted: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(groups,) the part of each group, see ``grouped_split``."""
    parts, reached = np.zeros(len(portions), np.int64), np.zeros_like(wanted)
    for group in order:
        gain = np.square(reached - wanted).sum(axis=1) - np.square(reached + portions[group] - wanted).sum(axis=1)
        parts[group] = np.where(reached[:, 0] < wanted[:, 0] - 1e-9, gain, -np.inf).argmax()
        reached[parts[group]] += portions[group]
    for empty in np.flatnonzero(np.bincount(parts, minlength=len(wanted)) == 0):
        inside = np.flatnonzero(parts == np.bincount(parts).argmax())
        if len(inside) > 1:
            parts[inside[portions[inside, 0].argmin()]] = empty
    return parts


def _faults(portions: np.ndarray, wanted: np.ndarray, parts: np.ndarray) -> tuple[int, int, float]:
    """Strata missing in part 0, in all parts, and the squared differences of the shares."""
    reached = np.stack([portions[parts == part].sum(axis=0) for part in range(len(wanted))])
    lacking = (reached == 0) & (portions.sum(axis=0) > 0)
    return int(lacking[0].sum()), int(lacking.sum()), float(np.square(reached - wanted).sum())


def worst_imbalance(labels: np.ndarray, rows: np.ndarray) -> tuple[float, int]:
    """Largest difference of a class's proportion between the rows and the whole, and that class.

    Args:
        labels: (n, classes) booleans.
        rows: the sample.
    """
    difference = np.abs(labels[rows].mean(axis=0) - labels.mean(axis=0))
    return float(difference.max()), int(difference.argmax())
