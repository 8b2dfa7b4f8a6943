"""What gives labels away: a feature that predicts them alone, and groups of rows that lie in two splits."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from mixmas_pipeline.data.schema import Task
from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.pipelines.describe.findings import Severity, finding
from mixmas_pipeline.pipelines.describe.results import Finding, GroupFacts, StrongestFeature

_NUMBERS = 20_000_000  # values to read at most: fewer rows of a wide modality
_ROWS = 20_000
_FEW = 10  # examples and counterexamples that a class needs
_AUROC = 0.995
_R2 = 0.999
_SURE = 5.0  # standard errors of a random ranking's AUROC
_LISTED = 5  # features of a modality that have a finding each
_NOTABLE = 0.01  # share of rows in shared groups from which on it is a warning
# Integers name groups only in columns with such a name: counts and sizes repeat in all splits.
GROUP = re.compile(
    r"(^|_)(ids?|patient|subject|person|user|customer|speaker|author|group|site|clip|file|admission)($|_)"
)


class Strength(NamedTuple):
    """How well a feature alone predicts a class, label or target.

    Attributes:
        feature: its index.
        tells: what it predicts.
        score: how well.
        measure: of the score.
        enough: whether that is a finding.
    """

    feature: int
    tells: str
    score: float
    measure: str
    enough: bool


def single_features(train: MultimodalTable) -> tuple[dict[str, StrongestFeature], list[Finding]]:
    """How well each feature alone predicts the labels of the training rows.

    Features are the numbers of a vector, their means over the steps of a series, the mean of all values for other
    kinds, and the presence of a modality. The measures are, for classes, the area under the ROC curve of one class
    against the rest, in the better direction, and, for features with few values, the share of rows whose label is the
    most frequent one of their value; for targets the squared correlation, of values or of ranks.

    Returns:
        Modality -> its strongest feature; and findings.
    """
    strongest: dict[str, StrongestFeature] = {}
    findings = []
    for name, modality in train.schema.modalities.items():
        rows, values = _features(train, name)
        names = _feature_names(modality, values.shape[1])
        strengths = _strengths(values, train.labels[rows], train.schema) if len(rows) >= 2 * _FEW else []
        if strengths:
            best = max(strengths, key=lambda s: s.score)
            strongest[name] = StrongestFeature(
                feature=names[best.feature], tells=best.tells, score=best.score, measure=best.measure, rows=len(rows)
            )
        findings += _findings(name, [s for s in strengths if s.enough], names)
    return strongest, findings + _presence_findings(train)


def shared_groups(
    columns: dict[str, dict[str, np.ndarray]], ids: dict[str, np.ndarray]
) -> tuple[dict[str, GroupFacts], list[Finding]]:
    """How many rows of validation and test share a group with training rows. Groups are columns in addition to the
    modalities that say which rows belong together (files, patients, ...).

    Args:
        columns: split -> name -> the column; "" is no value.
        ids: split -> ids of the rows.
    """
    facts: dict[str, GroupFacts] = {}
    findings: list[Finding] = []
    for name, column in columns["train"].items():
        if not _names_groups(name, column):
            continue
        groups = set(column.tolist()) - {""}
        shared = {}
        for split in ("validation", "test"):
            values = columns[split].get(name, np.array([]))
            rows = np.array([value in groups for value in values.tolist()], dtype=bool)
            shared[split] = int(rows.sum())
            if rows.any():
                findings.append(_group_finding(name, split, values, rows, ids[split]))
        facts[name] = GroupFacts(values=len(groups), shared=shared)
    return facts, findings


def _names_groups(name: str, column: np.ndarray) -> bool:
    if column.ndim != 1:
        return False
    return column.dtype.kind in "OUS" or (column.dtype.kind in "iu" and GROUP.search(name) is not None)


def _group_finding(name: str, split: str, values: np.ndarray, rows: np.ndarray, ids: np.ndarray) -> Finding:
    examples = dict.fromkeys(map(str, values[rows]))
    shown = ", ".join(value[:40] for value in list(examples)[:3])
    what = f"{rows.sum()} of {len(rows)} rows have a {name!r} that training rows also have, such as {shown}"
    advice = f"If rows with the same {name} belong together, keep them in one split"
    severity: Severity = "warning" if rows.mean() >= _NOTABLE else "note"
    return finding(severity, what, advice, split=split, rows=ids[rows], count=int(rows.sum()))


def _features(train: MultimodalTable, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows that are used, and their features, (rows, features) float64."""
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


def _feature_names(modality: Modality, features: int) -> list[str]:
    if features == 1 and modality.shape != (1,):
        return ["the mean of its values"]
    return [modality.feature(feature) for feature in range(features)]


def _strengths(values: np.ndarray, labels: np.ndarray, schema: TableSchema) -> list[Strength]:
    """The strongest feature per class or target, and all that are strong enough for a finding."""
    if schema.task == "regression":
        return correlations(values, labels, schema.classes)
    strengths = rankings(values, labels, schema.task, schema.classes)
    reported = {s.feature for s in strengths if s.enough}
    return strengths + lookups(values, labels, schema.task, schema.classes, reported)


def rankings(values: np.ndarray, labels: np.ndarray, task: Task, classes: tuple[str, ...]) -> list[Strength]:
    """Areas under the ROC curve.

    Args:
        values: (n, features); no NaN.
        labels: as of a ``MultimodalTable``.
    """
    members, names = label_strata(task, labels, classes)
    if task == "binary":
        members, names = members[:, 1:], names[1:]
    inside = members.sum(axis=0)
    outside = len(labels) - inside
    ranks = rankdata(values, axis=0)
    sums = members.T.astype(np.float64) @ ranks  # (classes, features)
    strengths = []
    for c in np.flatnonzero((inside >= _FEW) & (outside >= _FEW)):
        area = (sums[c] - inside[c] * (inside[c] + 1) / 2) / (inside[c] * outside[c])
        area = np.maximum(area, 1 - area)
        error = ((len(labels) + 1) / (12 * inside[c] * outside[c])) ** 0.5
        enough = (area >= _AUROC) & (area - 0.5 > _SURE * error)
        for feature in {int(area.argmax()), *np.flatnonzero(enough).tolist()}:
            score, is_enough = float(area[feature]), bool(enough[feature])
            strengths.append(Strength(feature, f"class {names[c]!r}", score, "AUROC", is_enough))
    return strengths


def lookups(
    values: np.ndarray, labels: np.ndarray, task: Task, classes: tuple[str, ...], reported: Collection[int] = ()
) -> list[Strength]:
    """Features with few values, each of which has nearly one label.

    Args:
        values, labels: as of ``rankings``.
        reported: features to leave out. Default none.
    """
    answers = [("the class", labels)]
    if task == "multilabel":
        members, names = label_strata(task, labels, classes)
        answers = [(f"label {name!r}", column) for name, column in zip(names, members.T, strict=True)]
    strengths = []
    for feature in sorted(set(range(values.shape[1])) - set(reported)):
        distinct, which = np.unique(values[:, feature], return_inverse=True)
        if not 1 < len(distinct) <= len(labels) / 10:
            continue
        for tells, answer in answers:
            counts = np.zeros((len(distinct), int(answer.max()) + 1))
            np.add.at(counts, (which, answer.astype(int)), 1)
            others = len(labels) - counts.sum(axis=0).max()
            right = counts.max(axis=1).sum()
            if others >= _FEW and len(labels) - right <= (1 - _AUROC) * others:
                strengths.append(Strength(feature, tells, float(right / len(labels)), "share of rows", True))
    return strengths


def correlations(values: np.ndarray, labels: np.ndarray, targets: tuple[str, ...]) -> list[Strength]:
    """Squared correlations with each target, of values or of ranks.

    Args:
        values: (n, features); no NaN.
        labels: (n, targets).
    """
    strengths = []
    for t, target in enumerate(targets):
        truth = labels[:, t].astype(np.float64)
        both = [_r2(values, truth), _r2(rankdata(values, axis=0), rankdata(truth))]
        scores = np.max(both, axis=0)
        for feature in {int(scores.argmax()), *np.flatnonzero(scores >= _R2).tolist()}:
            score = float(scores[feature])
            strengths.append(Strength(feature, f"target {target!r}", score, "R2", score >= _R2))
    return strengths


def _r2(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    values, truth = values - values.mean(axis=0), truth - truth.mean()
    scale = np.square(values).sum(axis=0) * np.square(truth).sum()
    return np.where(scale > 0, np.square(truth @ values) / np.where(scale > 0, scale, 1), 0.0)


def _findings(name: str, strengths: list[Strength], names: list[str]) -> list[Finding]:
    """One finding per feature, with all that it predicts; of many features, one with the strongest of them."""
    by_feature: dict[int, list[Strength]] = {}
    for s in strengths:
        by_feature.setdefault(s.feature, []).append(s)
    advice = "Was it made from the label, or only available after it? Then leave it out"
    if len(by_feature) > _LISTED:
        order = sorted(by_feature, key=lambda feature: -max(s.score for s in by_feature[feature]))
        shown = ", ".join(names[feature] for feature in order[:_LISTED])
        what = f"each of {len(order)} features alone predicts a class or target, such as {shown}"
        return [finding("warning", what, advice, split="train", modality=name, count=len(order))]
    findings = []
    for feature, found in sorted(by_feature.items()):
        predicted = ", ".join(s.tells for s in found[:3]) + ", ..." * (len(found) > 3)
        least = min(s.score for s in found)
        what = f"{names[feature]} alone predicts {predicted} ({found[0].measure} at least {least:.3f})"
        findings.append(finding("warning", what, advice, split="train", modality=name))
    return findings


def _presence_findings(train: MultimodalTable) -> list[Finding]:
    """Modalities whose presence alone predicts a class."""
    schema = train.schema
    if schema.task == "regression":
        return []
    findings = []
    for name, present in train.present.items():
        if not present.all():
            for s in rankings(present[:, None].astype(float), train.labels, schema.task, schema.classes):
                if s.enough:
                    what = f"its presence alone predicts {s.tells} ({s.measure} {s.score:.3f})"
                    findings.append(finding("warning", what, "Is it missing because of the label?", modality=name))
    return findings
