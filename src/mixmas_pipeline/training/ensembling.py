"""Train the members of an ensemble so that each row is predicted by members that did not see it; weigh them by that.

Small tables: the rows of training and validation are divided into folds. Each member is trained without one of them,
for as many epochs as are best for the members of the other folds, so that every row is out of fold once or more. Large
tables, and those whose split was given: every member is trained on the training split from a seed of its own, and stops
on the validation split.

``divide`` -> ``train_member`` -> ``choose_epochs`` -> ``train_member`` again where fewer are better; and, by itself,
``fit_reference_member`` -> ``combine_members``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from scipy.optimize import LinearConstraint, minimize
from torch import Tensor

from mixmas_pipeline.data.table import GIVEN_SPLIT, MultimodalTable, concatenate
from mixmas_pipeline.models.architecture import FUSED, Architecture
from mixmas_pipeline.models.ensemble import Ensemble, EnsembleConfig, average, combine, where_present
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.models.reference import Kind, ReferenceModel
from mixmas_pipeline.training.batches import batch_rows, passes_per_epoch
from mixmas_pipeline.training.decision import choose_decision_weights
from mixmas_pipeline.training.folds import assign_folds
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.loss import balancing_weights, loss_scale, task_loss
from mixmas_pipeline.training.member_plan import MemberPlan
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.references import fit_reference
from mixmas_pipeline.training.resumable import ResumableTrainings
from mixmas_pipeline.training.statistics import with_statistics
from mixmas_pipeline.utils.progress import PartStarted, report

# Above these a table is large: its members share the training split.
SMALL_ROWS, SMALL_BYTES = 5000, 1 << 30
# With more rows a reference's held-out predictions are those of one fit on the training split: a fit per fold would
# take minutes.
FOLDED_REFERENCE_ROWS = 1500
# The sum of the weights. Temperatures of more than 10 or less than 0.2 hint at predictions without information.
_WEIGHTS = 0.1, 5.0
_LEAST = 0.01
# Parts of the held-out rows, to judge whether heads help. With fewer rows they have no weights; more are not looked at.
_PARTS, _LEAST_ROWS, _MOST_ROWS = 10, 50, 2000
_WORTH = 0.01  # share of the loss for which a network is trained again
_CPU = torch.device("cpu")
_log = logging.getLogger(__name__)


class HeldOut(NamedTuple):
    """Predictions of rows by members that were not trained on them.

    Attributes:
        rows: (n,) numbers of the rows in the training split followed by the validation split.
        logits: head -> (n, classes).
    """

    rows: np.ndarray
    logits: dict[str, np.ndarray]

    def only(self, which: np.ndarray) -> HeldOut:
        """The rows for which ``which``, (n,) booleans, is true."""
        return HeldOut(self.rows[which], {head: values[which] for head, values in self.logits.items()})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """For the catalog."""
        return {"rows": self.rows, **{f"logits/{head}": values for head, values in self.logits.items()}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> HeldOut:
        """The inverse of ``to_arrays``."""
        heads = [name for name in arrays if name != "rows"]
        return cls(arrays["rows"], {name.removeprefix("logits/"): arrays[name] for name in heads})


class Trained(NamedTuple):
    """A finished training.

    Attributes:
        model: in eval mode.
        history: one row per epoch.
        held_out: of rows that the model was not trained on.
    """

    model: MultimodalMixer
    history: pd.DataFrame
    held_out: HeldOut


class Division(NamedTuple):
    """Which rows each member of an ensemble is trained on.

    Attributes:
        folds: (n,) the fold of each row of training and validation; empty if there are no folds.
        architecture: with the statistics of all rows that networks are trained on.
        plans: one per network.
    """

    folds: np.ndarray
    architecture: Architecture
    plans: list[MemberPlan]


class ReferenceMember(NamedTuple):
    """A reference model for an ensemble, and predictions of rows by such models that were not fitted on them."""

    model: ReferenceModel
    held_out: HeldOut


def is_small(train: MultimodalTable, validation: MultimodalTable) -> bool:
    """Whether there are so few rows that folds are affordable, and needed. A split that was given stays as it is."""
    if GIVEN_SPLIT in train.extra:
        return False
    arrays = [array for table in (train, validation) for array in (*table.arrays.values(), *table.variants.values())]
    return len(train) + len(validation) < SMALL_ROWS and sum(array.nbytes for array in arrays) < SMALL_BYTES


def train_single(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    trainings: ResumableTrainings,
) -> Trained:
    """One model of the training split; early stopping watches the validation split. Where ``training.refit`` says so,
    the model is then trained again on both, to the epoch that was the best; history and held-out predictions stay those
    of the first."""
    rows = len(train) + np.arange(len(validation))
    training = training.for_rows(len(train))
    refits = training.refit and GIVEN_SPLIT not in train.extra
    report(PartStarted("training", 1, 1 + refits))
    found = _trained(_prepared(architecture, train, training), train, validation, rows, training, trainings)
    if not refits:
        return found
    epochs = len(found.history)
    if training.keep == "best":
        epochs = 1 + int(found.history[f"validation_{training.metric}_{FUSED}"].argmax())
    _log.info("training again on the %d rows of both splits, for %d epochs", len(train) + len(validation), epochs)
    both = concatenate(train, validation)
    batches = len(batch_rows(len(both), training.batch_size, 0, 0))
    steps = epochs * batches * passes_per_epoch(len(train), training)
    settings = training.model_copy(update={"max_epochs": epochs, "epochs": None, "min_steps": steps, "keep": "last"})
    report(PartStarted("training", 2, 2))
    model, _ = trainings.fit(_prepared(architecture, both, training), both, validation, settings)
    return found._replace(model=model)


def _prepared(architecture: Architecture, rows: MultimodalTable, training: TrainingParameters) -> Architecture:
    """The architecture with the statistics of the rows that it is trained on, and the weights of their classes."""
    built = with_statistics(architecture, rows)
    if training.balance == "none":
        return built
    labels = torch.from_numpy(np.array(rows.labels))
    weights = balancing_weights(labels, len(built.classes), built.task)
    return built.model_copy(update={"class_weights": tuple(weights.tolist())})


def divide(
    architecture: Architecture, train: MultimodalTable, validation: MultimodalTable, training: TrainingParameters
) -> Division:
    """Divide the rows of a small table into folds, and plan each network.

    Member m leaves out fold m; where groups of rows are fewer than members, fold m modulo the number of folds.
    """
    folds, built, without = _folds(architecture, train, validation, training) or (
        np.empty(0, np.int64),
        _prepared(architecture, train, training),
        [],
    )
    plans = []
    for number in range(training.members):
        fold = number % len(without) if without else None
        plans.append(
            MemberPlan(
                member=number,
                fold=fold,
                architecture=built if fold is None else without[fold],
                # The member chooses nothing on its own fold, not even the epoch.
                training=training.of_member(number, training.keep if fold is None else "last"),
            )
        )
    return Division(folds, built, plans)


def _folds(
    architecture: Architecture, train: MultimodalTable, validation: MultimodalTable, training: TrainingParameters
) -> tuple[np.ndarray, Architecture, list[Architecture]] | None:
    """The fold of each row; the architecture with the statistics of all rows, and with those of all rows but a fold's.

    None if the table is large, or a member could not be trained: there is one group only, or without a fold a modality
    is missing or constant, or a target is constant.
    """
    if not is_small(train, validation):
        return None
    rows = concatenate(train, validation)
    try:
        folds = assign_folds(rows, training.members, training.seed)
        others = [np.flatnonzero(folds != fold) for fold in range(int(folds.max()) + 1)]
        without = [_prepared(architecture, rows.take(kept), training) for kept in others]
    except ValueError as error:
        _log.warning("No folds of the %d rows can be made (%s); the members differ in their seeds", len(rows), error)
        return None
    return folds, _prepared(architecture, rows, training), without


def train_member(
    plan: MemberPlan,
    folds: np.ndarray,
    train: MultimodalTable,
    validation: MultimodalTable,
    trainings: ResumableTrainings,
) -> Trained:
    """A network of an ensemble, as planned.

    Args:
        folds: see ``Division``.
    """
    if plan.fold is None:
        rows, out, numbers = train, validation, len(train) + np.arange(len(validation))
    else:
        inside = folds == plan.fold
        rows, out = _rows_where(~inside, train, validation), _rows_where(inside, train, validation)
        numbers = np.flatnonzero(inside)
    report(PartStarted("training", 1, 1))
    found = _trained(plan.architecture, rows, out, numbers, plan.training, trainings)
    return found._replace(history=found.history.assign(member=plan.member))


def choose_epochs(plans: Sequence[MemberPlan], histories: Sequence[pd.DataFrame]) -> list[int]:
    """For how many epochs each network is to be trained: as many as are best for the networks of the other folds.

    That is where the mean of the other folds' held-out losses is smallest, if it is smaller than at the end by more
    than its standard error over these folds, and by more than 1 %; else the end. Without folds, or with fewer than two
    others, it is the end.

    Args:
        histories: of the networks, as planned.
    """
    losses: dict[int | None, list[np.ndarray]] = {}
    for plan, history in zip(plans, histories, strict=True):
        losses.setdefault(plan.fold, []).append(history["validation_loss"].to_numpy())
    by_fold = {fold: np.mean(curves, axis=0) for fold, curves in losses.items() if fold is not None}
    chosen = []
    for plan, history in zip(plans, histories, strict=True):
        others = [curve for fold, curve in by_fold.items() if fold != plan.fold]
        chosen.append(_best_epoch(np.stack(others)) if len(others) > 1 else len(history))
    return chosen


def _best_epoch(losses: np.ndarray) -> int:
    """From 1; ``losses``: (folds, epochs)."""
    best = int(losses.mean(axis=0).argmin())
    gains = losses[:, -1] - losses[:, best]
    noise = gains.std(ddof=1) / np.sqrt(len(gains))
    return best + 1 if gains.mean() > max(noise, _WORTH * losses[:, -1].mean()) else losses.shape[1]


def _trained(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    rows: np.ndarray,
    training: TrainingParameters,
    trainings: ResumableTrainings,
) -> Trained:
    """A network, and its predictions of the validation split, which has these row numbers."""
    model, history = trainings.fit(architecture, train, validation, training)
    return Trained(model, history, HeldOut(rows, compute_logits(model, validation, _CPU)))


def _rows_where(which: np.ndarray, train: MultimodalTable, validation: MultimodalTable) -> MultimodalTable:
    """The rows of training and validation for which ``which``, (n,) booleans, is true; copied."""
    first, second = np.flatnonzero(which[: len(train)]), np.flatnonzero(which[len(train) :])
    return concatenate(train.take(first), validation.take(second))


def fit_reference_member(
    kind: Kind, folds: np.ndarray, train: MultimodalTable, validation: MultimodalTable, seed: int, balance: str
) -> ReferenceMember:
    """A reference model of all rows that members are trained on.

    With few rows, those of each fold are predicted by a model that was fitted on the other folds. With more, the
    validation split is predicted by one that was fitted on the training split.

    Args:
        folds: see ``Division``.
        seed, balance: of the networks' training.
    """
    fit = partial(fit_reference, kind, modalities=list(train.arrays), seed=seed, balance=balance)
    parts, penalty = [], None
    if 0 < len(folds) <= FOLDED_REFERENCE_ROWS:
        count = int(folds.max()) + 1
        for fold in range(count):
            report(PartStarted("fit", fold + 1, count + 1))
            out = _rows_where(folds == fold, train, validation)
            logits = compute_logits(fit(_rows_where(folds != fold, train, validation)), out, _CPU)
            parts.append(HeldOut(np.flatnonzero(folds == fold), {FUSED: logits[FUSED]}))
    else:
        report(PartStarted("fit", 1, 2 if len(folds) else 1))
        model = fit(train)
        penalty = model.architecture.penalty  # to choose it once more would take most of a fit's time
        logits = compute_logits(model, validation, _CPU)
        parts.append(HeldOut(len(train) + np.arange(len(validation)), {FUSED: logits[FUSED]}))
    if len(folds):
        report(PartStarted("fit", len(parts) + 1, len(parts) + 1))
        model = fit(concatenate(train, validation), penalty=penalty)
    return ReferenceMember(model, _merged(parts, train.schema.task))


def combine_members(
    architecture: Architecture,
    networks: Sequence[MultimodalMixer],
    held_out: Sequence[HeldOut],
    references: Sequence[ReferenceMember],
    labels: np.ndarray,
    training: TrainingParameters,
    present: Mapping[str, np.ndarray] | None = None,
) -> tuple[Ensemble, HeldOut]:
    """Weigh the members by their predictions of rows that they did not see; also the networks' heads of single
    modalities, if that is better beyond noise.

    Args:
        architecture: see ``Division``.
        held_out: of each network.
        labels: of the rows of training and validation.
        present: optional modality -> which of these rows have it. Default: all have all.

    Returns:
        The ensemble, and its predictions of the rows that every kind of member predicts.
    """
    task = architecture.task
    merged = _merged(held_out, task)
    for reference in references:
        merged = merged.only(np.isin(merged.rows, reference.held_out.rows))
    known = torch.from_numpy(labels[merged.rows])
    fused = [merged.logits[FUSED], *(reference.held_out.logits[FUSED] for reference in references)]
    candidates = [torch.from_numpy(logits).double() for logits in fused]
    scale, count = loss_scale(training, known, architecture), len(candidates)
    heads = _heads(architecture, merged, present or {})
    if heads and _is_better(candidates, [*candidates, *heads.values()], known, task, scale):
        candidates += heads.values()
    weights = select_weights(candidates, known, task, scale)
    used = [(r.model, weight) for r, weight in zip(references, weights[1:count], strict=True) if weight > 0]
    members: list[MultimodalMixer | ReferenceModel] = [*networks, *(model for model, _ in used)]
    chosen = np.flatnonzero(weights)
    together = combine(torch.stack([candidates[n] for n in chosen]), torch.tensor(weights)[chosen], task)
    class_weights = architecture.class_weights
    config = EnsembleConfig(
        architecture=architecture,
        members=tuple(member.architecture for member in members),
        weights=(*(weights[0] / len(networks),) * len(networks), *(weight for _, weight in used)),
        head_weights={n: weight for n, weight in zip(heads, weights[count:], strict=False) if weight > 0},
        decision_weights=choose_decision_weights(together.numpy(), task, training.metric, class_weights),
    )
    model = Ensemble(config, members).eval()
    shares = ", ".join(f"{name} {share:.2f}" for name, share in model.shares.items())
    _log.info("weights in the ensemble: %s; temperature %.2f", shares, 1 / sum(weights))
    decided = together.float() + model.offset
    return model, HeldOut(merged.rows, {**merged.logits, FUSED: decided.numpy()})


def _heads(architecture: Architecture, merged: HeldOut, present: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Modality -> held-out logits of its head; none if there is one modality, whose head is the fused one."""
    if len(architecture.inputs) < 2:
        return {}
    fused = torch.from_numpy(merged.logits[FUSED]).double()
    has = {name: torch.from_numpy(column[merged.rows]) for name, column in present.items()}
    return {
        name: where_present(torch.from_numpy(merged.logits[name]).double(), fused, has.get(name))
        for name in architecture.inputs
    }


def _is_better(fewer: list[Tensor], more: list[Tensor], labels: Tensor, task: str, scale: Tensor | None) -> bool:
    """Is the loss of rows that chose no weights smaller with more candidates, by more than a standard error?

    The rows are divided into ten parts. Each part's loss is that of the weights that the other parts choose.
    """
    rows = np.random.default_rng(0).permutation(len(labels))[:_MOST_ROWS]
    scale = None if scale is None else scale.to(fewer[0].dtype)
    gains: list[float] = []
    if len(rows) < _LEAST_ROWS:
        return False
    for part in np.array_split(rows, _PARTS):
        report(PartStarted("comparison", len(gains) + 1, _PARTS))
        others, losses = np.setdiff1d(rows, part), []
        for candidates in (fewer, more):
            weights = select_weights([c[others] for c in candidates], labels[others], task, scale, quick=True)
            used = np.flatnonzero(weights)
            together = combine(torch.stack([candidates[n][part] for n in used]), torch.tensor(weights)[used], task)
            losses.append(task_loss(together, labels[part], task, scale).item())
        gains.append(losses[0] - losses[1])
    return bool(np.mean(gains) > np.std(gains, ddof=1) / _PARTS**0.5)


def _merged(parts: Sequence[HeldOut], task: str) -> HeldOut:
    """The predictions in the order of the rows; of parts that have the same rows the average."""
    by_rows: dict[bytes, list[HeldOut]] = {}
    for part in parts:
        by_rows.setdefault(part.rows.tobytes(), []).append(part)
    groups = list(by_rows.values())
    rows = np.concatenate([group[0].rows for group in groups])
    order = np.argsort(rows)
    logits = {
        head: np.concatenate([_mean([part.logits[head] for part in group], task) for group in groups])[order]
        for head in parts[0].logits
    }
    return HeldOut(rows[order], logits)


def _mean(logits: list[np.ndarray], task: str) -> np.ndarray:
    if len(logits) == 1:
        return logits[0]
    return average(torch.from_numpy(np.stack(logits)), task).numpy()


def select_weights(
    candidates: list[Tensor], labels: Tensor, task: str, scale: Tensor | None = None, *, quick: bool = False
) -> list[float]:
    """Weights of candidates in an ensemble (see ``models.ensemble``), with the smallest loss; the loss is convex.

    None is negative; their sum, the reciprocal of the temperature, is 0.1 to 5, and of a regression 1. A candidate that
    contributes less than a hundredth (its weight times the standard deviation of what it predicts) gets 0.

    Args:
        candidates: (n, classes) logits each, of rows that they were not trained on.
        labels, task, scale: as ``loss.task_loss`` takes them.
        quick: the solver starts once, not from each candidate too. Default false.

    Raises:
        FloatingPointError: no candidate is finite.
    """
    scale = None if scale is None else scale.to(candidates[0].dtype)
    finite = [number for number, candidate in enumerate(candidates) if candidate.isfinite().all()]
    if not finite:
        raise FloatingPointError("no candidate of the ensemble has finite predictions of all held-out rows")
    stacked = torch.stack([candidates[number] for number in finite])
    # Where a candidate is very sure, a step of its weight is long: the solver's numbers are weights times sizes.
    values = stacked if task in ("multilabel", "regression") else stacked.log_softmax(dim=2)
    sizes = np.maximum(1.0, values.std(dim=(1, 2)).numpy()) if task != "regression" else np.ones(len(finite))

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        given = torch.tensor(numbers, requires_grad=True)
        value = task_loss(combine(stacked, given / torch.from_numpy(sizes), task), labels, task, scale)
        value.backward()
        return value.item(), cast(Tensor, given.grad).numpy()

    low, high = (1.0, 1.0) if task == "regression" else _WEIGHTS
    starts = [np.full(len(finite), 1 / len(finite)), *([] if quick else np.eye(len(finite)))]
    results = [
        minimize(
            loss,
            sizes * start,
            jac=True,
            method="SLSQP",
            bounds=[(0, high * size) for size in sizes],
            constraints=LinearConstraint(1 / sizes, low, high),
            options={"ftol": 1e-10, "maxiter": 500},
        )
        for start in starts
    ]
    numbers = min(results, key=lambda result: result.fun).x.clip(min=0)
    found = numbers / sizes
    kept = np.where(numbers < _LEAST * numbers.sum(), 0, found)
    weights = np.zeros(len(candidates))
    weights[finite] = kept * found.sum() / kept.sum()
    return weights.tolist()
