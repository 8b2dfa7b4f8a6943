"""Train the members of an ensemble so that each row is predicted by members that did not see it; weigh them by that.

Small tables: the rows of training and validation are divided into folds. The member of a fold is trained on the other
folds and stops on its own, so that every row is out of fold once. Large tables: every member is trained on the training
split from a seed of its own, and stops on the validation split.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable, concatenate
from mixmas_pipeline.models.architecture import FUSED, Architecture
from mixmas_pipeline.models.ensemble import Ensemble, EnsembleConfig, combine
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.training.folds import assign_folds
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.loss import loss_scale, task_loss
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.resumable import ResumableTrainings
from mixmas_pipeline.training.statistics import with_statistics
from mixmas_pipeline.utils.progress import PartStarted, report

FOLDS = 5
# Above these a table is large: its members share the training split.
SMALL_ROWS, SMALL_BYTES = 5000, 1 << 30
# A temperature outside these hints at predictions without information, not at over- or underconfidence.
_LOWEST, _HIGHEST = 0.2, 10.0
_SELECTED = 20
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
        held_out: the validation split, or with folds every row of training and validation.
    """

    model: MultimodalMixer | Ensemble
    history: pd.DataFrame
    held_out: HeldOut


def is_small(train: MultimodalTable, validation: MultimodalTable) -> bool:
    """Whether there are so few rows that folds are affordable, and needed."""
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
    rows = concatenate(train, validation) if is_small(train, validation) else None
    if rows is None:
        members, history, held_out = _from_seeds(architecture, train, validation, training, trainings)
        labels, fitted_on = validation.labels, train
    else:
        members, history, held_out = _from_folds(architecture, rows, training, trainings)
        labels, fitted_on = rows.labels[held_out.rows], rows
    scale = loss_scale(training, torch.from_numpy(np.array(fitted_on.labels)), members[0].architecture)
    fused = torch.from_numpy(held_out.logits[FUSED]).double()
    temperature = fit_temperature(fused, torch.from_numpy(np.array(labels)), architecture.task, scale)
    _log.info("%d members; temperature %.2f", len(members), temperature)
    config = EnsembleConfig(
        architecture=with_statistics(architecture, fitted_on),
        members=tuple(member.architecture for member in members),
        weights=(1 / len(members),) * len(members),
        temperature=temperature,
    )
    held_out.logits[FUSED] = held_out.logits[FUSED] / np.float32(temperature)
    return Trained(Ensemble(config, members).eval(), history, held_out)


def fit_temperature(logits: Tensor, labels: Tensor, task: str, scale: Tensor | None = None) -> float:
    """The T with the smallest loss of logits / T, between 0.2 and 10; 1 for a regression. It changes no decision.

    Guo et al. 2017, arXiv 1706.04599, section 4.2.

    Args:
        logits: (n, classes), of rows that the model was not trained on.
        labels, task, scale: as ``loss.task_loss`` takes them.
    """
    if task == "regression":
        return 1.0
    scale = None if scale is None else scale.to(logits.dtype)
    found = minimize_scalar(
        lambda log_t: task_loss(logits / float(np.exp(log_t)), labels, task, scale).item(),
        bounds=(np.log(_LOWEST), np.log(_HIGHEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def select_weights(candidates: list[Tensor], labels: Tensor, task: str, scale: Tensor | None = None) -> list[float]:
    """Weights of candidates in an ensemble; they add up to 1.

    Greedy selection with replacement (Caruana et al. 2004, "Ensemble Selection from Libraries of Models", section 2):
    begin with the best candidate, and add the one that lowers the loss most until none does.

    Args:
        candidates: (n, classes) logits each, of rows that they were not trained on.
        labels, task, scale: as ``loss.task_loss`` takes them.
    """
    scale = None if scale is None else scale.to(candidates[0].dtype)
    stacked, counts, best = torch.stack(candidates), np.zeros(len(candidates)), np.inf
    for _ in range(_SELECTED):
        losses = []
        for number in range(len(candidates)):
            trial = counts + (np.arange(len(candidates)) == number)
            used = torch.from_numpy(np.flatnonzero(trial))
            weights = torch.from_numpy(trial[trial > 0]).log()
            losses.append(task_loss(combine(stacked[used], weights, task), labels, task, scale).item())
        chosen = int(np.argmin(losses))
        if not losses[chosen] < best:
            break
        best = losses[chosen]
        counts[chosen] += 1
    return list(counts / counts.sum())


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
    architecture: Architecture, rows: MultimodalTable, training: TrainingParameters, trainings: ResumableTrainings
) -> tuple[list[MultimodalMixer], pd.DataFrame, HeldOut]:
    folds = assign_folds(rows, FOLDS, training.seed)
    count = int(folds.max()) + 1
    members, histories, logits = [], [], []
    for number in range(count):
        report(PartStarted("fold", number + 1, count))
        others, out = (rows.take(np.flatnonzero(which)) for which in (folds != number, folds == number))
        settings = training.model_copy(update={"seed": training.seed + number})
        model, history = trainings.fit(with_statistics(architecture, others), others, out, settings)
        members.append(model)
        histories.append(history.assign(member=number))
        logits.append(compute_logits(model, out, _CPU))
    # A stable sort by fold is the order in which the parts were predicted; its inverse puts them back.
    back = np.argsort(np.argsort(folds, kind="stable"), kind="stable")
    whole = {head: np.concatenate([part[head] for part in logits])[back] for head in logits[0]}
    return members, pd.concat(histories, ignore_index=True), HeldOut(np.arange(len(rows)), whole)


def _mean(logits: list[dict[str, np.ndarray]], task: str) -> dict[str, np.ndarray]:
    equal = torch.zeros(len(logits))
    return {
        head: combine(torch.stack([torch.from_numpy(part[head]) for part in logits]), equal, task).numpy()
        for head in logits[0]
    }
