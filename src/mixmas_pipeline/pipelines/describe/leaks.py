"""What tells the label too easily: one feature that is enough, and groups that lie in two splits."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.pipelines.describe.findings import Severity, finding

_NUMBERS = 20_000_000  # looked at, at most: of wide modalities fewer rows
_ROWS = 20_000
_FEW = 10  # examples and counterexamples that a class needs
_AUROC = 0.995
_R2 = 0.999
_SURE = 5.0  # standard errors of the AUROC of chance
# Integers are groups only where their name says so: counts and sizes are in all splits.
GROUP = re.compile(
    r"(^|_)(ids?|patient|subject|person|user|customer|speaker|author|group|site|clip|file|admission)($|_)"
)


def single_features(train: MultimodalTable) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How well each feature alone tells the labels of training rows.

    A feature is a number of a vector, the mean of one over the steps of a series, the mean of all others' values; and
    whether a modality is there. Of classes: its area under the ROC curve, one class against the rest, in the better
    direction, and the share of rows whose label is the most frequent of their value, where values are few. Of targets:
    the square of the correlation, of values or of ranks.

    Returns:
        Facts, modality -> the strongest feature: its name, what it tells, how well, by which measure,
        on how many rows; and findings.
    """
    facts, found = {}, []
    for name in train.schema.modalities:
        rows, values = _features(train, name)
        modality = train.schema.modalities[name]
        whole = values.shape[1] == 1 and modality.shape != (1,)
        names = ["the mean of its values"] if whole else [modality.feature(f) for f in range(values.shape[1])]
        strong: list[dict[str, Any]] = []
        if len(rows) >= 2 * _FEW:
            labels = train.labels[rows]
            regression = train.schema.task == "regression"
            strong = _correlations(values, labels, train) if regression else _rankings(values, labels, train)
            if not regression:
                strong += _lookups(values, labels, train, {s["feature"] for s in strong if s["enough"]})
        if strong:
            best = max(strong, key=lambda s: s["score"])
            said = {key: value for key, value in best.items() if key != "enough"}
            facts[name] = {**said, "feature": names[best["feature"]], "rows": len(rows)}
        found += _findings(name, [s for s in strong if s["enough"]], names)
    for name, there in train.present.items():
        if train.schema.task != "regression" and not there.all():
            strong = [s for s in _rankings(there[:, None].astype(float), train.labels, train) if s["enough"]]
            for s in strong:
                what = f"whether it is there says {s['tells']} ({s['measure']} {s['score']:.3f})"
                found.append(finding("warning", what, "Is it missing because of the label?", modality=name))
    return facts, found


def shared_groups(
    columns: dict[str, dict[str, np.ndarray]], ids: dict[str, np.ndarray]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Columns beside the modalities that say what rows were made from (files, patients, ...), and how many rows of
    validation and test share that with training rows.

    Args:
        columns: split -> name -> the column; "" is no value.
        ids: split -> of the rows.

    Returns:
        Facts, column -> values in training, and split -> rows that share one; and findings.
    """
    facts: dict[str, Any] = {}
    found: list[dict[str, Any]] = []
    for name, column in columns["train"].items():
        text = column.dtype.kind in "OUS"
        if column.ndim != 1 or not (text or (column.dtype.kind in "iu" and GROUP.search(name))):
            continue
        known = set(column.tolist()) - {""}
        facts[name] = {"values": len(known), "shared": {}}
        for split in ("validation", "test"):
            values = columns[split].get(name, np.array([]))
            rows = np.array([value in known for value in values.tolist()], dtype=bool)
            facts[name]["shared"][split] = int(rows.sum())
            if not rows.any():
                continue
            examples = dict.fromkeys(map(str, values[rows]))
            shown = ", ".join(value[:40] for value in list(examples)[:3])
            what = f"{rows.sum()} of {len(rows)} rows have a {name!r} that training rows have too, such as {shown}"
            advice = f"If rows with the same {name} belong together, split so that none is in two splits"
            severity: Severity = "warning" if rows.mean() >= 0.01 else "note"
            own = ids[split][rows]
            found.append(finding(severity, what, advice, split=split, rows=own, count=int(rows.sum())))
    return facts, found


def _features(train: MultimodalTable, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are looked at, and their features, (rows, features) float64."""
    array, modality = train.arrays[name], train.schema.modalities[name]
    rows = np.flatnonzero(train.present.get(name, np.ones(len(train), bool)))
    width = int(np.prod(modality.shape))
    most = min(_ROWS, max(500, _NUMBERS // width))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    values = np.concatenate(
        [
            _summarised(array[rows[start : start + 256]], modality.kind, modality.padded)
            for start in range(0, len(rows), 256)
        ]
        or [np.zeros((0, 1))]
    )
    return rows, values


def _summarised(values: np.ndarray, kind: str, padded: bool) -> np.ndarray:
    values = values.astype(np.float64)
    if values.ndim == 2:
        return values
    if kind in ("time_series", "text", "embedding") and values.ndim == 3:
        steps = values.any(axis=-1).sum(axis=1) if padded else np.full(len(values), values.shape[1])
        return values.sum(axis=1) / np.maximum(steps, 1)[:, None]
    return values.reshape(len(values), -1).mean(axis=1, keepdims=True)


def _rankings(values: np.ndarray, labels: np.ndarray, train: MultimodalTable) -> list[dict[str, Any]]:
    from scipy.stats import rankdata

    members, names = label_strata(train.schema.task, labels, train.schema.classes)
    if train.schema.task == "binary":
        members, names = members[:, 1:], names[1:]
    inside = members.sum(axis=0)
    outside = len(labels) - inside
    ranks = rankdata(values, axis=0)
    sums = members.T.astype(np.float64) @ ranks  # (classes, features)
    found = []
    for c in np.flatnonzero((inside >= _FEW) & (outside >= _FEW)):
        area = (sums[c] - inside[c] * (inside[c] + 1) / 2) / (inside[c] * outside[c])
        area = np.maximum(area, 1 - area)
        error = ((len(labels) + 1) / (12 * inside[c] * outside[c])) ** 0.5
        enough = (area >= _AUROC) & (area - 0.5 > _SURE * error)
        for feature in {int(area.argmax()), *np.flatnonzero(enough).tolist()}:
            tells = f"class {names[c]!r}"
            found.append(_strength(feature, tells, area[feature], "AUROC", bool(enough[feature])))
    return found


def _lookups(values: np.ndarray, labels: np.ndarray, train: MultimodalTable, known: set[int]) -> list[dict[str, Any]]:
    members, names = label_strata(train.schema.task, labels, train.schema.classes)
    several = train.schema.task == "multilabel"
    answers = [(f"label {n!r}", column) for n, column in zip(names, members.T, strict=True)] if several else []
    found = []
    for feature in sorted(set(range(values.shape[1])) - known):
        distinct, which = np.unique(values[:, feature], return_inverse=True)
        if not 1 < len(distinct) <= len(labels) / 10:
            continue
        for tells, answer in answers or [("the class", labels)]:
            counts = np.zeros((len(distinct), int(answer.max()) + 1))
            np.add.at(counts, (which, answer.astype(int)), 1)
            others = len(labels) - counts.sum(axis=0).max()
            right = counts.max(axis=1).sum()
            if others >= _FEW and len(labels) - right <= (1 - _AUROC) * others:
                found.append(_strength(feature, tells, right / len(labels), "share of rows", True))
    return found


def _correlations(values: np.ndarray, labels: np.ndarray, train: MultimodalTable) -> list[dict[str, Any]]:
    from scipy.stats import rankdata

    found = []
    for t, target in enumerate(train.schema.classes):
        truth = labels[:, t].astype(np.float64)
        both = [_r2(values, truth), _r2(rankdata(values, axis=0), rankdata(truth))]
        strength = np.max(both, axis=0)
        for feature in {int(strength.argmax()), *np.flatnonzero(strength >= _R2).tolist()}:
            enough = bool(strength[feature] >= _R2)
            found.append(_strength(feature, f"target {target!r}", strength[feature], "R2", enough))
    return found


def _r2(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    values, truth = values - values.mean(axis=0), truth - truth.mean()
    scale = np.square(values).sum(axis=0) * np.square(truth).sum()
    return np.where(scale > 0, np.square(truth @ values) / np.where(scale > 0, scale, 1), 0.0)


def _strength(feature: int, tells: str, score: float, measure: str, enough: bool) -> dict[str, Any]:
    return {"feature": feature, "tells": tells, "score": float(score), "measure": measure, "enough": enough}


def _findings(name: str, strong: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """One a feature, with all that it tells."""
    found = []
    for feature in sorted({s["feature"] for s in strong}):
        own = [s for s in strong if s["feature"] == feature]
        told = ", ".join(s["tells"] for s in own[:3]) + ", ..." * (len(own) > 3)
        least = min(s["score"] for s in own)
        what = f"{names[feature]} alone tells {told} ({own[0]['measure']} at least {least:.3f})"
        advice = "Was it made from the label, or known only afterwards? Then leave it out"
        found.append(finding("warning", what, advice, split="train", modality=name))
    return found
