"""Fits reference models: what a user would fit in a minute, with scikit-learn.

- "linear": logistic regression (multilabel: one per class), or ridge regression, on standardised features.
- "trees": histogram gradient boosting, one ensemble per task (multilabel and regression: one per class or target).

Penalty and number of iterations are chosen by the held-out loss of a cross-validation inside the given rows; no other
rows are looked at.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from mixmas_pipeline.data.sampling import stratified_split
from mixmas_pipeline.data.schema import StoredInput, Task
from mixmas_pipeline.data.table import GROUP, MultimodalTable
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.models.reference import (
    ABSENT,
    MOST_FEATURES,
    Features,
    Kind,
    Reference,
    ReferenceModel,
    Summary,
    standardised,
)
from mixmas_pipeline.storage.memory_maps import release
from mixmas_pipeline.training.loss import balancing_weights
from mixmas_pipeline.utils.resources import threads

MOST_ROWS = 20_000
_MOST_VALUES = 200_000_000  # features times rows, before the largest are chosen
_BATCH = 512
_PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001)  # per row, from strong to weak
_FOLDS, _FEWER_FOLDS, _FEW_ROWS = 5, 3, 1500  # tables with more rows get fewer folds
_WORSE = 2  # weaker penalties are not tried after so many worse ones in a row
_STEPS = 200  # of the solver
# Boosting. The more trees per iteration, rows and features, the fewer iterations, at a higher rate.
_RATE, _FAST_RATE, _LEAVES, _BINS, _PATIENCE = 0.1, 0.2, 15, 63, 10
_MOST_ITERATIONS, _SLOW_ITERATIONS, _LEAST_ITERATIONS, _TREE_VALUES = 300, 100, 20, 1_000_000_000
_UNCHOSEN_PENALTY, _UNCHOSEN_ITERATIONS = 0.1, 30  # where there are too few rows for a cross-validation

_log = logging.getLogger(__name__)


def fit_reference(
    kind: Kind,
    table: MultimodalTable,
    modalities: Sequence[str],
    seed: int,
    groups: np.ndarray | None = None,
    *,
    balance: str = "none",
    max_rows: int = MOST_ROWS,
) -> ReferenceModel:
    """Fit a reference model on all rows of a table, or on a stratified sample of ``max_rows`` of them.

    A row that lacks all modalities counts too: only its columns of presence say something. Nothing else is random than
    folds, samples and the boosting's choice of features, which depend on the seed.

    Args:
        kind: "linear" or "trees".
        table: the rows, with labels.
        modalities: names of those to read.
        seed: of all that is random.
        groups: (n,) numbers; rows of a group are never in two folds. Default: those of the extra column ``GROUP``; if
            there is none, every row is a group.
        balance: "none", or "classes": rare classes weigh as much as frequent ones, as in the training of a network.
            Default "none".
        max_rows: rows to fit on. Default 20,000.

    Returns:
        The model in eval mode. Its description says what was bounded.

    Raises:
        ValueError: the table has no such modality, or a regression is to be balanced.
    """
    if unknown := sorted(set(modalities) - set(table.schema.modalities)):
        raise ValueError(f"unknown modality {unknown[0]!r}; expected some of {', '.join(table.schema.modalities)}")
    inputs = {name: _summary(table, name) for name in modalities}
    rows, bounded = _rows(table, inputs, max_rows, seed)
    features, values, left_out = _read(table, inputs, rows)
    bounded += left_out
    problem = _problem(table, rows, values, balance)
    folds = _folds(table, rows, _groups(table) if groups is None else groups, seed)
    with threads(1):  # on a few thousand rows more threads mostly wait for each other
        scores, settings = _fit_linear(problem, folds) if kind == "linear" else _fit_trees(problem, folds, seed)
    for sentence in bounded:
        _log.info("The %s reference of %s: %s", kind, " + ".join(modalities), sentence)
    description = Reference(
        kind=kind,
        task=table.schema.task,
        classes=table.schema.classes,
        inputs=inputs,
        rows=len(rows),
        features=values.shape[1],
        size=_size(scores),
        bounded=tuple(bounded),
        **settings,
    )
    tensors = {f"scores.{name}": tensor for name, tensor in scores.items()}
    tensors |= {"features.keep": features.keep, "features.fill": features.fill, "absent": torch.tensor(problem.absent)}
    tensors |= {"scale": _float(problem.scale), "offset": _float(problem.offset)}
    return ReferenceModel(description, tensors).eval()


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))


# --- rows and features ------------------------------------------------------------------------------------------------


def _summary(table: MultimodalTable, name: str) -> Summary:
    modality = table.schema.modalities[name]
    stored = StoredInput(
        kind=modality.kind,
        shape=modality.shape,
        dtype=modality.dtype,
        padded=modality.padded,
        optional=modality.optional,
    )
    return Summary.of(stored)


def _rows(table: MultimodalTable, inputs: dict[str, Summary], max_rows: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """The rows to fit on, in order, and what was left out."""
    most = min(max_rows, max(1, _MOST_VALUES // sum(summary.features for summary in inputs.values())))
    if len(table) <= most:
        return np.arange(len(table)), []
    strata, _ = label_strata(table.schema.task, table.labels, table.schema.classes)
    return stratified_split(strata, [most], seed)[0], [f"fitted on {most:,} of {len(table):,} rows"]


def _read(
    table: MultimodalTable, inputs: dict[str, Summary], rows: np.ndarray
) -> tuple[Features, np.ndarray, list[str]]:
    """What computes the features, the features of the rows, (n, features) float32, and what was left out.

    Constant features are dropped; of a modality with more than ``MOST_FEATURES`` those with the largest variance stay.
    """
    values = _compute(Features(inputs), table, rows)
    keep, fill, left_out, start = [], [], [], 0
    for name, summary in inputs.items():
        columns = values[:, start : start + summary.features]
        present = table.present[name][rows] if name in table.present else np.ones(len(rows), bool)
        mean, variance = _moments(columns[present])
        chosen = np.flatnonzero(variance > (1e-6 * mean) ** 2)
        if len(chosen) > MOST_FEATURES:
            left_out.append(f"{MOST_FEATURES:,} of {len(chosen):,} features of {name}: those with the largest variance")
            chosen = np.sort(chosen[np.argsort(-variance[chosen], kind="stable")[:MOST_FEATURES]])
        keep.append(start + chosen)
        fill.append(mean[chosen])
        start += summary.features
    features = Features(inputs, torch.from_numpy(np.concatenate(keep)), _float(np.concatenate(fill)))
    return features, _compute(features, table, rows), left_out


def _moments(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column, in float64; zeros if there are no rows."""
    if not len(columns):
        return np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
    return columns.mean(axis=0, dtype=np.float64), columns.var(axis=0, dtype=np.float64)


@torch.inference_mode()
def _compute(features: Features, table: MultimodalTable, rows: np.ndarray) -> np.ndarray:
    parts = []
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        inputs = {name: torch.from_numpy(np.array(table.arrays[name][batch])) for name in features.inputs}
        present = {
            name: torch.from_numpy(table.present[name][batch]) for name in features.inputs if name in table.present
        }
        parts.append(features(inputs, present).numpy())
        release(*table.arrays.values())
    return np.concatenate(parts)


# --- the problem ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Problem:
    """What is fitted.

    Attributes:
        task: of the table.
        values: (n, features) float32.
        labels: (n,) class indices; (n, classes) of 0 and 1; of a regression (n, targets) standardised values.
        weights: of the labels: (n,), or for "multilabel" (n, classes).
        classes: number of classes or targets.
        scale, offset: of a regression's targets; otherwise 1 and 0.
        absent: (classes,) classes without a row; none for "multilabel" and a regression.
    """

    task: Task
    values: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    classes: int
    scale: np.ndarray
    offset: np.ndarray
    absent: np.ndarray

    def take(self, rows: np.ndarray) -> _Problem:
        """Some rows of it. Classes without a row among them are absent."""
        labels = self.labels[rows]
        absent = _absent(labels, self.task, self.classes)
        parts = (self.values[rows], labels, self.weights[rows], self.classes)
        return _Problem(self.task, *parts, self.scale, self.offset, absent)


def _problem(table: MultimodalTable, rows: np.ndarray, values: np.ndarray, balance: str) -> _Problem:
    task, labels, classes = table.schema.task, np.asarray(table.labels)[rows], len(table.schema.classes)
    scale, offset = np.ones(classes), np.zeros(classes)
    weights = np.ones(labels.shape if task == "multilabel" else len(labels))
    if balance != "none":
        by_class = balancing_weights(torch.from_numpy(np.array(labels)), classes, task).numpy().astype(np.float64)
        weights = np.where(labels > 0, by_class, 1.0) if task == "multilabel" else by_class[labels]
        weights = weights / weights.mean(axis=0)
    if task == "regression":
        labels = labels.astype(np.float64)
        deviation = labels.std(axis=0)
        offset, scale = labels.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
        labels = (labels - offset) / scale
    return _Problem(task, values, labels, weights, classes, scale, offset, _absent(labels, task, classes))


def _absent(labels: np.ndarray, task: str, classes: int) -> np.ndarray:
    if task in ("multilabel", "regression"):
        return np.zeros(classes, bool)
    return np.bincount(labels, minlength=classes) == 0


def _groups(table: MultimodalTable) -> np.ndarray | None:
    """(n,) numbers; None if the table says nothing of groups."""
    return np.unique(table.extra[GROUP].astype(str), return_inverse=True)[1] if GROUP in table.extra else None


def _folds(table: MultimodalTable, rows: np.ndarray, groups: np.ndarray | None, seed: int) -> list[np.ndarray]:
    """Row positions of each fold; none if there are not two groups."""
    strata, _ = label_strata(table.schema.task, np.asarray(table.labels)[rows], table.schema.classes)
    numbers = np.arange(len(rows)) if groups is None else np.unique(np.asarray(groups)[rows], return_inverse=True)[1]
    count = int(numbers.max()) + 1
    members = np.zeros((count, strata.shape[1]), bool)
    np.logical_or.at(members, numbers, strata)
    folds = min(_FOLDS if len(rows) <= _FEW_ROWS else _FEWER_FOLDS, count)
    if folds < 2:
        return []
    sizes = np.diff(np.linspace(0, count, folds + 1).astype(int)).tolist()
    return [np.flatnonzero(np.isin(numbers, part)) for part in stratified_split(members, sizes, seed)]


def _splits(problem: _Problem, folds: list[np.ndarray]) -> Iterator[tuple[_Problem, _Problem]]:
    """For each fold the other rows, and its own."""
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(problem.labels)), fold)
        yield problem.take(rest), problem.take(fold)


def _loss(problem: _Problem, scores: np.ndarray, absent: np.ndarray) -> float:
    """Sum of the weighted losses of scores, which were fitted on rows without the absent classes."""
    if problem.task == "regression":
        return float(np.square(problem.labels - scores).sum())
    if problem.task == "multilabel":
        signs = np.where(problem.labels > 0, -1.0, 1.0)
        return float((problem.weights * np.logaddexp(0.0, signs * scores)).sum())
    logits = torch.from_numpy(scores).masked_fill(torch.from_numpy(absent), -1e9).log_softmax(dim=1).numpy()
    logits = np.where(absent, ABSENT, logits)
    return float(-(problem.weights * logits[np.arange(len(logits)), problem.labels]).sum())


def _constant_logit(labels: np.ndarray) -> float:
    """Of a label that all rows or none have: that of (k + 1/2) / (n + 1)."""
    return float(np.log((labels.sum() + 0.5) / (len(labels) - labels.sum() + 0.5)))


def _size(scores: dict[str, Tensor]) -> int:
    if "weight" in scores:
        return scores["weight"].numel() + scores["bias"].numel()
    nodes = torch.arange(scores["left"].shape[1]) if scores["left"].numel() else torch.empty(0)
    inner = int((scores["left"] != nodes).sum())
    return 2 * inner + inner + len(scores["left"])  # a binary tree has one leaf more than splits


# --- the linear model -------------------------------------------------------------------------------------------------


class _Linear:
    """Linear models of one set of rows, for one penalty after the other; each starts from the one before."""

    def __init__(self, problem: _Problem, inputs: np.ndarray) -> None:
        self._problem, self._inputs = problem, inputs
        self._fitted: dict[int, LogisticRegression] = {}

    def fit(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights, (features, classes), and biases, (classes,)."""
        problem, width = self._problem, self._inputs.shape[1]
        if problem.task == "regression":
            if not width:
                return np.zeros((0, problem.classes)), problem.labels.mean(axis=0)
            ridge = Ridge(alpha=penalty * len(problem.labels)).fit(self._inputs, problem.labels)
            return ridge.coef_.reshape(problem.classes, width).T, np.broadcast_to(ridge.intercept_, problem.classes)
        weight, bias = np.zeros((width, problem.classes)), np.zeros(problem.classes)
        if problem.task == "multilabel":
            for c in range(problem.classes):
                labels = problem.labels[:, c]
                if not width or labels.min() == labels.max():
                    bias[c] = _constant_logit(labels)
                else:
                    weight[:, c], bias[c] = self._logistic(c, labels, problem.weights[:, c], penalty)
            return weight, bias
        present = np.flatnonzero(~problem.absent)
        if not width or len(present) == 1:
            totals = np.bincount(problem.labels, problem.weights, problem.classes)
            return weight, np.log(np.maximum(totals, 1e-12) / totals.sum())
        own, own_bias = self._logistic(0, problem.labels, problem.weights, penalty)
        columns = present if own.ndim == 2 else present[1]
        weight[:, columns], bias[columns] = own, own_bias
        return weight, bias

    def _logistic(self, key: int, labels: np.ndarray, weights: np.ndarray, penalty: float) -> tuple[Any, Any]:
        """Weights and biases: of two classes those of the second, (features,) and a number."""
        if key not in self._fitted:
            self._fitted[key] = LogisticRegression(max_iter=_STEPS, tol=1e-4, warm_start=True)
        model = self._fitted[key].set_params(C=1 / (penalty * weights.sum()))
        with warnings.catch_warnings():
            # A solver that stops early is a weaker fit than the penalty allows; the held-out loss judges it as it is.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(self._inputs, labels, weights)
        if len(model.classes_) == 2:
            return model.coef_[0], model.intercept_[0]
        return model.coef_.T, model.intercept_


def _fit_linear(problem: _Problem, folds: list[np.ndarray]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    values = problem.values.astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    std = np.where(deviation > 0, deviation, 1.0)
    inputs = standardised(*map(torch.from_numpy, (values, mean, std))).numpy()
    rotated, rotation = _rotated(inputs)
    penalty = _choose_penalty(problem, rotated, folds)
    own = _Linear(problem, rotated)
    weight, bias = np.zeros((0, 0)), np.zeros(0)
    for weaker in [*(p for p in _PENALTIES if p > penalty), penalty]:
        weight, bias = own.fit(weaker)
    tensors = {"mean": mean, "std": std, "weight": weight if rotation is None else rotation @ weight, "bias": bias}
    return {name: _float(array) for name, array in tensors.items()}, {"penalty": penalty}


def _rotated(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """With more features than rows: the rows in their own space, (n, rank), and its directions, (features, rank).

    Weights outside of that space change no prediction, so that a quadratic penalty makes them 0: nothing is lost.
    """
    if inputs.shape[1] <= inputs.shape[0]:
        return inputs, None
    u, s, vt = np.linalg.svd(inputs, full_matrices=False)
    used = s > 1e-10 * max(s[0], 1e-300)
    return u[:, used] * s[used], vt[used].T


def _choose_penalty(problem: _Problem, inputs: np.ndarray, folds: list[np.ndarray]) -> float:
    """The penalty with the least held-out loss."""
    if not folds:
        return _UNCHOSEN_PENALTY
    everything = np.arange(len(inputs))
    rests = [np.setdiff1d(everything, fold) for fold in folds]
    fits = [_Linear(problem.take(rest), inputs[rest]) for rest in rests]
    losses: list[float] = []
    for penalty in _PENALTIES:
        loss = 0.0
        for fold, rest, fit in zip(folds, rests, fits, strict=True):
            weight, bias = fit.fit(penalty)
            loss += _loss(problem.take(fold), inputs[fold] @ weight + bias, problem.take(rest).absent)
        losses.append(loss)
        if len(losses) > _WORSE and min(losses[-_WORSE:]) > min(losses):
            break
    return _PENALTIES[int(np.argmin(losses))]


# --- boosted trees ----------------------------------------------------------------------------------------------------


def _fit_trees(problem: _Problem, folds: list[np.ndarray], seed: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """One ensemble for all classes; for "multilabel" and a regression one per class or target."""
    weighted = (problem.weights != problem.weights.flat[0]).any()
    values, edges = _quantised(problem.values) if weighted else (problem.values, None)
    problem = replace(problem, values=values)
    trees: list[tuple[int, np.ndarray]] = []  # class, nodes
    baseline, most = np.zeros(problem.classes), 0
    parts = range(problem.classes) if problem.task in ("multilabel", "regression") else (None,)
    for part in parts:
        iterations = _choose_iterations(problem, part, folds, seed)
        columns = [part] if part is not None else np.flatnonzero(~problem.absent).tolist()
        labels, weights = _column(problem, part)
        if labels.min() == labels.max() or not problem.values.shape[1]:
            baseline += _constant(problem, part)
            continue
        model = _boosting(problem, seed, max_iter=iterations)
        model.fit(problem.values, labels, _unless_equal(weights))
        own = np.asarray(model._baseline_prediction).reshape(-1)
        columns = columns[-len(own) :]  # of two classes only the second has trees
        baseline[columns] = own
        trees += [(c, p.nodes) for step in model._predictors for c, p in zip(columns, step, strict=True)]
        most = max(most, iterations)
    return _tensors(trees, baseline, edges), {"iterations": most}


def _quantised(values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Each value replaced by the upper edge of its bin, and the edges of each feature's bins, which are values too.

    With weights scikit-learn finds each bin of each feature by itself, which takes a hundred times as long as a fit.
    Values that are edges already are taken as they are.
    """
    shares = np.linspace(0, 1, _BINS + 1)[1:]
    found = np.quantile(values, shares, axis=0, method="inverted_cdf").astype(values.dtype)
    edges = [np.unique(column) for column in found.T]
    columns = [e[np.searchsorted(e, column)] for e, column in zip(edges, values.T, strict=True)]
    return np.column_stack(columns).astype(values.dtype), edges


def _column(problem: _Problem, part: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Labels and weights of one ensemble."""
    labels = problem.labels if part is None else problem.labels[:, part]
    return labels, problem.weights[:, part] if problem.weights.ndim == 2 else problem.weights


def _unless_equal(weights: np.ndarray) -> np.ndarray | None:
    """None if all weigh the same: without weights scikit-learn is much faster."""
    return None if (weights == weights[0]).all() else weights


def _constant(problem: _Problem, part: int | None) -> np.ndarray:
    """Scores without any tree, (classes,), 0 for other parts."""
    labels, weights = _column(problem, part)
    if part is None:
        totals = np.bincount(labels, weights, problem.classes)
        return np.log(np.maximum(totals, 1e-12) / totals.sum())
    scores = np.zeros(problem.classes)
    scores[part] = labels.mean() if problem.task == "regression" else _constant_logit(labels)
    return scores


def _most_iterations(problem: _Problem) -> int:
    """At most so many, so that a fit takes seconds: its cost grows with rows, features and trees."""
    rows, features = problem.values.shape
    trees = 1 if problem.task == "binary" else problem.classes
    return min(_MOST_ITERATIONS, max(_LEAST_ITERATIONS, _TREE_VALUES // max(1, rows * features * trees)))


def _boosting(problem: _Problem, seed: int, **settings: Any) -> Any:
    """An ensemble that is not fitted yet. Of many features each split looks at some."""
    rows, features = problem.values.shape
    make = HistGradientBoostingRegressor if problem.task == "regression" else HistGradientBoostingClassifier
    return make(
        learning_rate=_RATE if _most_iterations(problem) >= _SLOW_ITERATIONS else _FAST_RATE,
        max_bins=_BINS,
        max_leaf_nodes=_LEAVES,
        min_samples_leaf=max(1, min(20, rows // 10)),
        max_features=min(1.0, 100 / features),
        random_state=seed,
        **{"early_stopping": False, **settings},
    )


def _choose_iterations(problem: _Problem, part: int | None, folds: list[np.ndarray], seed: int) -> int:
    """The median over three folds of the number of iterations with the least held-out loss. Tables with many rows use
    one fold."""
    found = []
    for rest, held in _splits(problem, folds[: _FEWER_FOLDS if len(problem.labels) <= _FEW_ROWS else 1]):
        (labels, weights), (held_labels, held_weights) = _column(rest, part), _column(held, part)
        known = np.isin(held_labels, labels) if problem.task != "regression" else np.ones(len(held_labels), bool)
        if labels.min() == labels.max() or not problem.values.shape[1] or not known.any():
            continue
        most = _most_iterations(problem)
        model = _boosting(problem, seed, max_iter=most, early_stopping=True, n_iter_no_change=_PATIENCE)
        model.fit(
            rest.values,
            labels,
            _unless_equal(weights),
            X_val=held.values[known],
            y_val=held_labels[known],
            sample_weight_val=None if _unless_equal(weights) is None else held_weights[known],
        )
        found.append(int(np.argmax(model.validation_score_)))
    return max(1, int(np.median(found))) if found else _UNCHOSEN_ITERATIONS


def _tensors(
    trees: list[tuple[int, np.ndarray]], baseline: np.ndarray, edges: list[np.ndarray] | None
) -> dict[str, Tensor]:
    """Trees as the tensors of ``TreeScores``. With edges each threshold becomes the edge below it, so that a value goes
    where the upper edge of its bin went.

    Features are float32 and scikit-learn's thresholds are float64, so each threshold becomes the largest float32 that
    is not above it: every comparison has the same result.
    """
    width = max((len(nodes) for _, nodes in trees), default=1)
    shape = (len(trees), width)
    feature, value = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    threshold = np.zeros(shape, np.float32)
    left = np.tile(np.arange(width), (len(trees), 1))
    right = left.copy()
    for number, (_, nodes) in enumerate(trees):
        inner, count = nodes["is_leaf"] == 0, len(nodes)
        exact = nodes["num_threshold"].copy()
        if edges is not None:
            for node in np.flatnonzero(inner):
                own = edges[nodes["feature_idx"][node]]
                exact[node] = own[np.searchsorted(own, exact[node], side="right") - 1]
        with np.errstate(over="ignore"):
            rounded = exact.astype(np.float32)
        below = np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
        feature[number, :count][inner] = nodes["feature_idx"][inner]
        threshold[number, :count][inner] = below[inner]
        left[number, :count][inner] = nodes["left"][inner]
        right[number, :count][inner] = nodes["right"][inner]
        value[number, :count] = nodes["value"]
    arrays = {"feature": feature, "threshold": threshold, "left": left, "right": right, "value": value}
    arrays["output"] = np.array([c for c, _ in trees], dtype=np.int64)
    arrays["baseline"] = baseline.astype(np.float32)
    arrays["depth"] = np.array(max((int(nodes["depth"].max()) for _, nodes in trees), default=0))
    return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}
