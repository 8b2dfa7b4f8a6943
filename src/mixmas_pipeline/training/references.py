"""Fits reference models: what a user would fit in a minute, with scikit-learn.

- "linear": logistic regression (multilabel: one per class), or ridge regression, on standardised features.
- "trees": histogram gradient boosting, one ensemble per task (multilabel and regression: one per class or target).

Penalty and number of iterations are chosen by the held-out loss of a cross-validation inside the given rows; no other
rows are looked at.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from mixmas_pipeline.data.sampling import stratified_split
from mixmas_pipeline.data.schema import StoredInput
from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.models.reference import (
    MOST_FEATURES,
    Features,
    Kind,
    Reference,
    ReferenceModel,
    Summary,
    standardised,
)
from mixmas_pipeline.storage.memory_maps import release
from mixmas_pipeline.training.boosted_trees import fit_trees
from mixmas_pipeline.training.decision import choose_decision_weights
from mixmas_pipeline.training.reference_problem import (
    Problem,
    constant_logit,
    held_out_loss,
    make_folds,
    make_problem,
)
from mixmas_pipeline.utils.resources import threads

MOST_ROWS = 20_000
_MOST_VALUES = 200_000_000  # features times rows, before the largest are chosen
_BATCH = 512
_PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001)  # per row, from strong to weak
_WORSE = 2  # weaker penalties are not tried after so many worse ones in a row
_STEPS = 200  # of the solver
_UNCHOSEN_PENALTY = 0.1  # where there are too few rows for a cross-validation

_log = logging.getLogger(__name__)


def fit_reference(
    kind: Kind,
    table: MultimodalTable,
    modalities: Sequence[str],
    seed: int,
    *,
    balance: str = "none",
    max_rows: int = MOST_ROWS,
    penalty: float | None = None,
    metric: str | None = None,
) -> ReferenceModel:
    """Fit a reference model on all rows of a table, or on a stratified sample of ``max_rows`` of them.

    A row that lacks all modalities counts too: only its columns of presence say something. Rows of a group, see
    ``data.table.GROUP``, are never in two folds. Nothing else is random than folds, samples and the boosting's choice
    of features, which depend on the seed.

    Args:
        kind: "linear" or "trees".
        table: the rows, with labels.
        modalities: names of those to read.
        seed: of all that is random.
        balance: "none", or "classes": rare classes weigh as much as frequent ones, as in the training of a network.
            Default "none".
        max_rows: rows to fit on. Default 20,000.
        penalty: of a linear model, per row. Default: the one with the least held-out loss.
        metric: the score that decisions are to be good for, see ``decision.choose_decision_weights``; from the model's
            probabilities of the fitted rows. Default: the weights of the loss decide.

    Returns:
        The model in eval mode. Its description says what was bounded.

    Raises:
        ValueError: the table has no such modality, or a regression is to be balanced.
    """
    _check_names(table, modalities)
    inputs = {name: _summary(table, name) for name in modalities}
    rows, bounded = _rows(table, inputs, max_rows, seed)
    features, values, left_out = _read(table, inputs, rows)
    bounded += left_out
    problem = make_problem(table, rows, values, balance)
    scores, settings = _fit(kind, problem, make_folds(table, rows, seed), seed, penalty)
    _say(bounded, kind, modalities)
    description = Reference(
        kind=kind,
        task=table.schema.task,
        classes=table.schema.classes,
        inputs=inputs,
        rows=len(rows),
        features=values.shape[1],
        size=_size(scores),
        bounded=tuple(bounded),
        class_weights=problem.class_weights,
        **settings,
    )
    tensors = _tensors(scores, features, problem)
    model = ReferenceModel(description, tensors).eval()
    return model if metric is None else _deciding(model, tensors, values, metric)


def _fit(
    kind: Kind, problem: Problem, folds: list[np.ndarray], seed: int, penalty: float | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with threads(1):  # on a few thousand rows more threads mostly wait for each other
        return _fit_linear(problem, folds, penalty) if kind == "linear" else fit_trees(problem, folds, seed)


def _tensors(scores: dict[str, Tensor], features: Features, problem: Problem) -> dict[str, Tensor]:
    return {
        **{f"scores.{name}": tensor for name, tensor in scores.items()},
        **{"features.keep": features.keep, "features.fill": features.fill, "absent": torch.tensor(problem.absent)},
        **{"scale": _float(problem.scale), "offset": _float(problem.offset)},
    }


def _say(bounded: list[str], kind: str, modalities: Sequence[str]) -> None:
    for sentence in bounded:
        _log.info("The %s reference of %s: %s", kind, " + ".join(modalities), sentence)


def _check_names(table: MultimodalTable, modalities: Sequence[str]) -> None:
    if unknown := sorted(set(modalities) - set(table.schema.modalities)):
        raise ValueError(f"unknown modality {unknown[0]!r}; expected some of {', '.join(table.schema.modalities)}")


def _deciding(model: ReferenceModel, tensors: dict[str, Tensor], values: np.ndarray, metric: str) -> ReferenceModel:
    """The model with the weights of the decision that its probabilities of the fitted rows promise most for."""
    description = model.architecture
    with torch.inference_mode():
        logits = model.outputs(model.scores(torch.from_numpy(values)))[FUSED].numpy()
    weights = choose_decision_weights(logits, description.task, metric, description.class_weights)
    return ReferenceModel(description.model_copy(update={"decision_weights": weights}), tensors).eval()


def _size(scores: dict[str, Tensor]) -> int:
    if "weight" in scores:
        return scores["weight"].numel() + scores["bias"].numel()
    nodes = torch.arange(scores["left"].shape[1]) if scores["left"].numel() else torch.empty(0)
    inner = int((scores["left"] != nodes).sum())
    return 2 * inner + inner + len(scores["left"])  # a binary tree has one leaf more than splits


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
    values = compute_features(Features(inputs), table, rows)
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
    return features, compute_features(features, table, rows), left_out


def _moments(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column, in float64; zeros if there are no rows."""
    if not len(columns):
        return np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
    return columns.mean(axis=0, dtype=np.float64), columns.var(axis=0, dtype=np.float64)


@torch.inference_mode()
def compute_features(features: Features, table: MultimodalTable, rows: np.ndarray) -> np.ndarray:
    """(rows, features) float32, of some rows of a table."""
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


# --- the linear model -------------------------------------------------------------------------------------------------


class _Linear:
    """Linear models of one set of rows, for one penalty after the other; each starts from the one before."""

    def __init__(self, problem: Problem, inputs: np.ndarray) -> None:
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
                    bias[c] = constant_logit(labels, problem.weights[:, c])
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


def _fit_linear(
    problem: Problem, folds: list[np.ndarray], penalty: float | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    values = problem.values.astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    std = np.where(deviation > 0, deviation, 1.0)
    inputs = standardised(*map(torch.from_numpy, (values, mean, std))).numpy()
    rotated, rotation = _rotated(inputs)
    penalty = _choose_penalty(problem, rotated, folds) if penalty is None else penalty
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


def _choose_penalty(problem: Problem, inputs: np.ndarray, folds: list[np.ndarray]) -> float:
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
            loss += held_out_loss(problem.take(fold), inputs[fold] @ weight + bias, problem.take(rest).absent)
        losses.append(loss)
        if len(losses) > _WORSE and min(losses[-_WORSE:]) > min(losses):
            break
    return _PENALTIES[int(np.argmin(losses))]
