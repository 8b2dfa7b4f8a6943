"""Histogram gradient boosting by scikit-learn, as the tensors of ``models.reference.TreeScores``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from torch import Tensor

from mixmas_pipeline.training.reference_problem import FEW_ROWS, FEWER_FOLDS, Problem, constant_logit, splits

# The more trees per iteration, rows and features, the fewer iterations, at a higher rate.
_RATE, _FAST_RATE, _LEAVES, _BINS, _PATIENCE = 0.1, 0.2, 15, 63, 10
_MOST_ITERATIONS, _SLOW_ITERATIONS, _LEAST_ITERATIONS, _TREE_VALUES = 300, 100, 20, 1_000_000_000
_ROUNDING = 4 * float(np.finfo(np.float32).eps)  # relative to a value, or to a typical one
# Without it a row in a leaf whose other rows are certain moves their scores without limit, and with many classes
# boosting diverges.
_L2 = 0.1
_UNCHOSEN_ITERATIONS = 30  # where there are too few rows for a cross-validation


def fit_trees(problem: Problem, folds: list[np.ndarray], seed: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """One ensemble for all classes; for "multilabel" and a regression one per class or target.

    Args:
        problem: what is fitted.
        folds: row positions of each fold, by which the number of iterations is chosen.
        seed: of the features that a split looks at.

    Returns:
        The tensors, and the number of iterations, as ``Reference`` has them.
    """
    weighted = (problem.weights != problem.weights.flat[0]).any()
    levels = [_Levels.of(column) for column in problem.values.T]
    values = problem.values.copy()
    for number, column in enumerate(levels):
        values[:, number] = column.snap(values[:, number])
    values, edges = _quantised(values) if weighted else (values, None)
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
    return _tensors(trees, baseline, edges, levels), {"iterations": most}


class _Levels(NamedTuple):
    """The values of a feature. Those that differ by rounding only are one: another library, or another order of a sum,
    must not send a row to the other side of a split.

    Attributes:
        low, high: (levels,) float32, the smallest and the largest value of each, in order.
        typical: size of a value, the median. What a sum of values near it leaves of 0 is rounding, too.
    """

    low: np.ndarray
    high: np.ndarray
    typical: float

    @classmethod
    def of(cls, values: np.ndarray) -> _Levels:
        """Those of a column: a level is no wider than rounding."""
        distinct = np.unique(values)
        exact, typical = distinct.astype(np.float64), float(np.median(np.abs(distinct)))
        rounding = _ROUNDING * np.maximum(np.abs(exact), typical)
        starts, low = np.ones(len(distinct), bool), 0
        for number in (1 + np.flatnonzero(np.diff(exact) <= rounding[1:])).tolist():
            low = number - 1 if starts[number - 1] else low
            starts[number] = exact[number] - exact[low] > rounding[number]
        return cls(distinct[starts], distinct[np.append(starts[1:], True)], typical)

    def snap(self, values: np.ndarray) -> np.ndarray:
        """Each of the column's values as the smallest of its level."""
        return self.low[np.searchsorted(self.low, values, side="right") - 1]

    def between(self, threshold: float) -> float:
        """The threshold, moved where rounding could pass it: away from the level at or below it, and from the next."""
        number = int(np.searchsorted(self.low, threshold, side="right"))
        if not 0 < number < len(self.low):
            return threshold
        below, above = float(self.high[number - 1]), float(self.low[number])
        room = min(_ROUNDING * max(abs(below), self.typical), above - below) / 2
        return min(max(threshold, below + room), above - room)


def _quantised(values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Each value replaced by the upper edge of its bin, and the edges of each feature's bins, which are values too.

    With weights scikit-learn finds each bin of each feature by itself, which takes a hundred times as long as a fit.
    Values that are edges already are taken as they are.
    """
    shares = np.linspace(0, 1, _BINS + 1)[1:]
    found = np.quantile(values, shares, axis=0, method="inverted_cdf").astype(values.dtype)
    edges = [np.unique(column) for column in found.T]
    columns = [e[np.searchsorted(e, column)] for e, column in zip(edges, values.T, strict=True)]
    binned = np.column_stack(columns).astype(values.dtype) if columns else values  # no feature varies
    return binned, edges


def _column(problem: Problem, part: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Labels and weights of one ensemble."""
    labels = problem.labels if part is None else problem.labels[:, part]
    return labels, problem.weights[:, part] if problem.weights.ndim == 2 else problem.weights


def _unless_equal(weights: np.ndarray) -> np.ndarray | None:
    """None if all weigh the same: without weights scikit-learn is much faster."""
    return None if (weights == weights[0]).all() else weights


def _constant(problem: Problem, part: int | None) -> np.ndarray:
    """Scores without any tree, (classes,), 0 for other parts."""
    labels, weights = _column(problem, part)
    if part is None:
        totals = np.bincount(labels, weights, problem.classes)
        return np.log(np.maximum(totals, 1e-12) / totals.sum())
    scores = np.zeros(problem.classes)
    scores[part] = labels.mean() if problem.task == "regression" else constant_logit(labels, weights)
    return scores


def _most_iterations(problem: Problem) -> int:
    """At most so many, so that a fit takes seconds: its cost grows with rows, features and trees."""
    rows, features = problem.values.shape
    trees = 1 if problem.task == "binary" else problem.classes
    return min(_MOST_ITERATIONS, max(_LEAST_ITERATIONS, _TREE_VALUES // max(1, rows * features * trees)))


def _boosting(problem: Problem, seed: int, **settings: Any) -> Any:
    """An ensemble that is not fitted yet. Of many features each split looks at some."""
    rows, features = problem.values.shape
    make = HistGradientBoostingRegressor if problem.task == "regression" else HistGradientBoostingClassifier
    return make(
        learning_rate=_RATE if _most_iterations(problem) >= _SLOW_ITERATIONS else _FAST_RATE,
        max_bins=_BINS,
        max_leaf_nodes=_LEAVES,
        min_samples_leaf=max(1, min(20, rows // 10)),
        max_features=min(1.0, 100 / features),
        l2_regularization=_L2,
        random_state=seed,
        **{"early_stopping": False, **settings},
    )


def _choose_iterations(problem: Problem, part: int | None, folds: list[np.ndarray], seed: int) -> int:
    """The median over three folds of the number of iterations with the least held-out loss. Tables with many rows use
    one fold."""
    found = []
    for rest, held in splits(problem, folds[: FEWER_FOLDS if len(problem.labels) <= FEW_ROWS else 1]):
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
    trees: list[tuple[int, np.ndarray]], baseline: np.ndarray, edges: list[np.ndarray] | None, levels: list[_Levels]
) -> dict[str, Tensor]:
    """Trees as the tensors of ``TreeScores``. With edges each threshold becomes the edge below it, so that a value goes
    where the upper edge of its bin went. Then it moves away from values that are close.

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
        for node in np.flatnonzero(inner):
            column = nodes["feature_idx"][node]
            if edges is not None:
                own = edges[column]
                exact[node] = own[np.searchsorted(own, exact[node], side="right") - 1]
            exact[node] = levels[column].between(exact[node])
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
