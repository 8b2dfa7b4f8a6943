"""What a reference model is fitted to: features, labels and weights of rows; folds of them; the held-out loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from mixmas_pipeline.data.schema import Task
from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.models.reference import ABSENT
from mixmas_pipeline.training.folds import divide, groups_of
from mixmas_pipeline.training.loss import balancing_weights

FOLDS, FEWER_FOLDS, FEW_ROWS = 5, 3, 1500  # tables with more rows get fewer folds


@dataclass(frozen=True)
class Problem:
    """What is fitted.

    Attributes:
        task: of the table.
        values: (n, features) float32.
        labels: (n,) class indices; (n, classes) of 0 and 1; of a regression (n, targets) standardised values.
        weights: of the labels: (n,), or for "multilabel" (n, classes).
        classes: number of classes or targets.
        scale, offset: of a regression's targets; otherwise 1 and 0.
        absent: (classes,) classes without a row; none for "multilabel" and a regression.
        class_weights: what the weights follow from, one per class; None if all are 1.
    """

    task: Task
    values: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    classes: int
    scale: np.ndarray
    offset: np.ndarray
    absent: np.ndarray
    class_weights: tuple[float, ...] | None = None

    def take(self, rows: np.ndarray) -> Problem:
        """Some rows of it. Classes without a row among them are absent."""
        labels = self.labels[rows]
        absent = _absent(labels, self.task, self.classes)
        parts = (self.values[rows], labels, self.weights[rows], self.classes)
        return Problem(self.task, *parts, self.scale, self.offset, absent)


def make_problem(table: MultimodalTable, rows: np.ndarray, values: np.ndarray, balance: str) -> Problem:
    """The problem of some rows of a table.

    Args:
        rows: their numbers.
        values: (rows, features) float32.
        balance: "none" or "classes", see ``loss.balancing_weights``.

    Raises:
        ValueError: a regression is to be balanced.
    """
    task, labels, classes = table.schema.task, np.asarray(table.labels)[rows], len(table.schema.classes)
    scale, offset = np.ones(classes), np.zeros(classes)
    weights, class_weights = np.ones(labels.shape if task == "multilabel" else len(labels)), None
    if balance != "none":
        by_class = balancing_weights(torch.from_numpy(np.array(labels)), classes, task).numpy().astype(np.float64)
        weights = np.where(labels > 0, by_class, 1.0) if task == "multilabel" else by_class[labels]
        weights, class_weights = weights / weights.mean(axis=0), tuple(by_class.tolist())
    if task == "regression":
        labels = labels.astype(np.float64)
        deviation = labels.std(axis=0)
        offset, scale = labels.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
        labels = (labels - offset) / scale
    absent = _absent(labels, task, classes)
    return Problem(task, values, labels, weights, classes, scale, offset, absent, class_weights)


def _absent(labels: np.ndarray, task: str, classes: int) -> np.ndarray:
    if task in ("multilabel", "regression"):
        return np.zeros(classes, bool)
    return np.bincount(labels, minlength=classes) == 0


def make_folds(table: MultimodalTable, rows: np.ndarray, seed: int) -> list[np.ndarray]:
    """Positions of each fold among some rows of a table; none if there are not two groups. See ``folds.groups_of``."""
    strata, _ = label_strata(table.schema.task, np.asarray(table.labels)[rows], table.schema.classes)
    groups = np.unique(groups_of(table)[rows], return_inverse=True)[1]
    folds = min(FOLDS if len(rows) <= FEW_ROWS else FEWER_FOLDS, int(groups.max()) + 1)
    if folds < 2:
        return []
    assigned = divide(strata, groups, folds, seed)
    return [np.flatnonzero(assigned == fold) for fold in range(folds)]


def splits(problem: Problem, folds: list[np.ndarray]) -> Iterator[tuple[Problem, Problem]]:
    """For each fold the other rows, and its own."""
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(problem.labels)), fold)
        yield problem.take(rest), problem.take(fold)


def held_out_loss(problem: Problem, scores: np.ndarray, absent: np.ndarray) -> float:
    """Sum of the weighted losses of scores, which were fitted on rows without the absent classes."""
    if problem.task == "regression":
        return float(np.square(problem.labels - scores).sum())
    if problem.task == "multilabel":
        signs = np.where(problem.labels > 0, -1.0, 1.0)
        return float((problem.weights * np.logaddexp(0.0, signs * scores)).sum())
    logits = torch.from_numpy(scores).masked_fill(torch.from_numpy(absent), -1e9).log_softmax(dim=1).numpy()
    logits = np.where(absent, ABSENT, logits)
    return float(-(problem.weights * logits[np.arange(len(logits)), problem.labels]).sum())


def constant_logit(labels: np.ndarray, weights: np.ndarray) -> float:
    """Of a label that nothing tells: that of (k + 1/2) / (n + 1), where k of n rows have it, by their weights."""
    with_label = (labels * weights).sum()
    return float(np.log((with_label + 0.5) / (weights.sum() - with_label + 0.5)))
