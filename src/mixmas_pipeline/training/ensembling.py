"""Train the members of an ensemble so that each row is predicted by members that did not see it; weigh them by that.

Small tables: the rows of training and validation are divided into folds. The member of a fold is trained on the other
folds, for a fixed number of epochs, so that every row is out of fold once. Large tables, and those whose split was
given: every member is trained on the training split from a seed of its own, and stops on the validation split.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from scipy.optimize import LinearConstraint, minimize
from torch import Tensor

from mixmas_pipeline.data.table import GIVEN_SPLIT, MultimodalTable, concatenate
from mixmas_pipeline.models.architecture import FUSED, Architecture
from mixmas_pipeline.models.ensemble import Ensemble, EnsembleConfig, average, combine
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.models.reference import Kind, ReferenceModel
from mixmas_pipeline.training.folds import assign_folds
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.loss import loss_scale, task_loss
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.references import fit_reference
from mixmas_pipeline.training.resumable import ResumableTrainings
from mixmas_pipeline.training.statistics import with_statistics
from mixmas_pipeline.utils.progress import PartStarted, report

FOLDS = 5
KINDS: tuple[Kind, ...] = ("linear", "trees")
# Above these a table is large: its members share the training split.
SMALL_ROWS, SMALL_BYTES = 5000, 1 << 30
# With more rows a reference for the ensemble is fitted once, on the training split: a fit per fold would take minutes.
FOLDED_REFERENCE_ROWS = 1500
# The sum of the weights. Temperatures of more than 10 or less than 0.2 hint at predictions without information.
_WEIGHTS = 0.1, 5.0
_LEAST = 0.01
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
        model: a ``MultimodalMixer``, or an ``Ensemble``.
        history: one row per member and epoch.
        held_out: every row of training and validation if there is a member per fold (and, with references, no more than
            ``FOLDED_REFERENCE_ROWS`` rows); else the validation split.
    """

    model: MultimodalMixer | Ensemble
    history: pd.DataFrame
    held_out: HeldOut


def is_small(train: MultimodalTable, validation: MultimodalTable) -> bool:
    """Whether there are so few rows that folds are affordable, and needed. A split that was given stays as it is."""
    if GIVEN_SPLIT in train.extra:
        return False
    size = sum(array.nbytes for table in (train, validation) for array in table.arrays.values())
    return len(train) + len(validation) < SMALL_ROWS and size < SMALL_BYTES


def train_single(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    trainings: ResumableTrainings,
) -> Trained:
    """One model of the training split; early stopping watches the validation split."""
    report(PartStarted("training", 1, 1))
    model, history = trainings.fit(with_statistics(architecture, train), train, validation, training)
    logits = compute_logits(model, validation, _CPU)
    return Trained(model, history, HeldOut(len(train) + np.arange(len(validation)), logits))


def train_ensemble(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    trainings: ResumableTrainings,
) -> Trained:
    """Members that predict together, and are weighed by predictions of rows that they did not see."""
    folds = _make_folds(architecture, train, validation, training.seed) if is_small(train, validation) else None
    if folds is not None:
        networks, history, held_out = _from_folds(folds, training, trainings)
    else:
        networks, history, held_out = _from_seeds(architecture, train, validation, training, trainings)
    if not training.references:
        references = []
    elif folds is not None and len(folds.rows) <= FOLDED_REFERENCE_ROWS:
        references = _references_from_folds(folds, training)
    else:
        references = _references_from_training_split(train, validation, training)
        held_out = held_out.only(held_out.rows >= len(train))
    labels = torch.from_numpy(np.concatenate([train.labels, validation.labels])[held_out.rows])
    built = with_statistics(architecture, train if folds is None else folds.rows)
    model, fused = _weighed(built, networks, references, held_out, labels, training)
    held_out.logits[FUSED] = fused
    return Trained(model, history, held_out)


class _Folds(NamedTuple):
    """Rows that are divided into folds.

    Attributes:
        rows: those of training and validation.
        numbers: (n,) the fold of each.
        architectures: per fold, with the statistics of the other folds' rows.
    """

    rows: MultimodalTable
    numbers: np.ndarray
    architectures: list[Architecture]

    def divided(self, fold: int) -> tuple[MultimodalTable, MultimodalTable]:
        """The rows of the other folds, and those of this one."""
        inside = self.numbers == fold
        return self.rows.take(np.flatnonzero(~inside)), self.rows.take(np.flatnonzero(inside))

    def in_order(self, parts: list[np.ndarray]) -> np.ndarray:
        """One array per fold -> one array in the order of the rows."""
        # Where each row is when the rows of fold 0 come first, then those of fold 1 and so on, each in its order.
        positions = np.argsort(np.argsort(self.numbers, kind="stable"), kind="stable")
        return np.concatenate(parts)[positions]


def _make_folds(
    architecture: Architecture, train: MultimodalTable, validation: MultimodalTable, seed: int
) -> _Folds | None:
    """None if a member could not be trained: there is one group only, or without a fold a modality is missing or
    constant, or a target is constant."""
    rows = concatenate(train, validation)
    try:
        numbers = assign_folds(rows, FOLDS, seed)
        others = [np.flatnonzero(numbers != fold) for fold in range(int(numbers.max()) + 1)]
        return _Folds(rows, numbers, [with_statistics(architecture, rows.take(kept)) for kept in others])
    except ValueError as error:
        _log.warning("No folds of the %d rows can be made (%s); the members differ in their seeds", len(rows), error)
        return None


def _weighed(
    architecture: Architecture,
    networks: list[MultimodalMixer],
    references: list[_Fitted],
    held_out: HeldOut,
    labels: Tensor,
    training: TrainingParameters,
) -> tuple[Ensemble, np.ndarray]:
    """The ensemble, and (n, classes) its logits of the held-out rows, which have these labels."""
    scale = loss_scale(training, labels, architecture)
    candidates = [torch.from_numpy(held_out.logits[FUSED]).double(), *(r.held_out for r in references)]
    weights = select_weights(candidates, labels, architecture.task, scale)
    fused = combine(torch.stack(candidates), torch.tensor(weights), architecture.task)
    used = [(r.model, weight) for r, weight in zip(references, weights[1:], strict=True) if weight > 0]
    members: list[MultimodalMixer | ReferenceModel] = [*networks, *(model for model, _ in used)]
    config = EnsembleConfig(
        architecture=architecture,
        members=tuple(member.architecture for member in members),
        weights=(*(weights[0] / len(networks),) * len(networks), *(weight for _, weight in used)),
    )
    model = Ensemble(config, members).eval()
    shares = ", ".join(f"{name} {share:.2f}" for name, share in model.shares.items())
    _log.info("weights in the ensemble: %s; temperature %.2f", shares, 1 / sum(weights))
    return model, fused.float().numpy()


class _Fitted(NamedTuple):
    """A reference for the ensemble, and (n, classes) its logits of the held-out rows."""

    model: ReferenceModel
    held_out: Tensor


def _references_from_folds(folds: _Folds, training: TrainingParameters) -> list[_Fitted]:
    """A reference of each kind, fitted on all rows. A row's logits are those of one that was fitted on the other
    folds."""
    fitted = []
    for number, kind in enumerate(KINDS, start=1):
        report(PartStarted("reference", number, len(KINDS)))
        names = list(folds.rows.arrays)
        fit = partial(fit_reference, kind, modalities=names, seed=training.seed, balance=training.balance)
        parts = []
        for fold in range(len(folds.architectures)):
            others, out = folds.divided(fold)
            parts.append(compute_logits(fit(others), out, _CPU)[FUSED])
        fitted.append(_Fitted(fit(folds.rows), torch.from_numpy(folds.in_order(parts)).double()))
    return fitted


def _references_from_training_split(
    train: MultimodalTable, validation: MultimodalTable, training: TrainingParameters
) -> list[_Fitted]:
    """A reference of each kind, fitted on the training split, and its logits of the validation split."""
    fitted = []
    for number, kind in enumerate(KINDS, start=1):
        report(PartStarted("reference", number, len(KINDS)))
        model = fit_reference(kind, train, list(train.arrays), training.seed, balance=training.balance)
        fitted.append(_Fitted(model, torch.from_numpy(compute_logits(model, validation, _CPU)[FUSED]).double()))
    return fitted


def select_weights(candidates: list[Tensor], labels: Tensor, task: str, scale: Tensor | None = None) -> list[float]:
    """Weights of candidates in an ensemble (see ``models.ensemble``), with the smallest loss; the loss is convex.

    None is negative; their sum, the reciprocal of the temperature, is 0.1 to 5, and of a regression 1. A candidate with
    less than a hundredth of the sum gets 0.

    Args:
        candidates: (n, classes) logits each, of rows that they were not trained on.
        labels, task, scale: as ``loss.task_loss`` takes them.

    Raises:
        FloatingPointError: no candidate has a finite loss.
    """
    scale = None if scale is None else scale.to(candidates[0].dtype)
    finite = [number for number, c in enumerate(candidates) if task_loss(c, labels, task, scale).isfinite()]
    if not finite:
        raise FloatingPointError("no candidate of the ensemble has a finite loss on the held-out rows")
    stacked = torch.stack([candidates[number] for number in finite])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        given = torch.tensor(weights, requires_grad=True)
        value = task_loss(combine(stacked, given, task), labels, task, scale)
        value.backward()
        return value.item(), cast(Tensor, given.grad).numpy()

    low, high = (1.0, 1.0) if task == "regression" else _WEIGHTS
    start = np.full(len(finite), 1 / len(finite))
    found = minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0, high)] * len(finite),
        constraints=LinearConstraint(np.ones(len(finite)), low, high),
        options={"ftol": 1e-10, "maxiter": 500},
    ).x.clip(min=0)
    kept = np.where(found < _LEAST * found.sum(), 0, found)
    weights = np.zeros(len(candidates))
    weights[finite] = kept * found.sum() / kept.sum()
    return weights.tolist()


def _from_seeds(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    trainings: ResumableTrainings,
) -> tuple[list[MultimodalMixer], pd.DataFrame, HeldOut]:
    built = with_statistics(architecture, train)
    members, histories, logits = [], [], []
    for number in range(training.seeds):
        report(PartStarted("seed", number + 1, training.seeds))
        settings = training.model_copy(update={"seed": training.seed + number})
        model, history = trainings.fit(built, train, validation, settings)
        members.append(model)
        histories.append(history.assign(member=number))
        logits.append(compute_logits(model, validation, _CPU))
    history = pd.concat(histories, ignore_index=True)
    return members, history, HeldOut(len(train) + np.arange(len(validation)), _mean(logits, architecture.task))


def _from_folds(
    folds: _Folds, training: TrainingParameters, trainings: ResumableTrainings
) -> tuple[list[MultimodalMixer], pd.DataFrame, HeldOut]:
    members, histories, logits = [], [], []
    for number, architecture in enumerate(folds.architectures):
        report(PartStarted("fold", number + 1, len(folds.architectures)))
        others, out = folds.divided(number)
        # Nothing is chosen on the fold, not even the epoch.
        settings = training.model_copy(update={"seed": training.seed + number, "keep": "last"})
        model, history = trainings.fit(architecture, others, out, settings)
        members.append(model)
        histories.append(history.assign(member=number))
        logits.append(compute_logits(model, out, _CPU))
    whole = {head: folds.in_order([part[head] for part in logits]) for head in logits[0]}
    return members, pd.concat(histories, ignore_index=True), HeldOut(np.arange(len(folds.rows)), whole)


def _mean(logits: list[dict[str, np.ndarray]], task: str) -> dict[str, np.ndarray]:
    return {
        head: average(torch.stack([torch.from_numpy(part[head]) for part in logits]), task).numpy()
        for head in logits[0]
    }
