"""A trained model's predictions for rows, and what each modality contributes to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.evaluation.probabilities import without_weights
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.models.ensemble import AnyModel, decision_weights
from mixmas_pipeline.pipelines.predict.results import ClassContribution, PredictionSummary, ValueContribution
from mixmas_pipeline.training.inference import check_fits, compute_logits

CONTRIBUTION_COLUMNS = ("id", "class", "modality", "all", "without", "contribution", "log_odds_contribution", "flips")


class HeadPredictions(NamedTuple):
    """A head's predictions; every array is (n, classes).

    Attributes:
        values: probabilities; of a regression the targets' values.
        log_odds: log(p / (1 - p)); of a regression the values.
        decided: the class with the largest logit, or every label above its threshold; of a regression all targets.
    """

    values: np.ndarray
    log_odds: np.ndarray
    decided: np.ndarray

    @classmethod
    def of(
        cls, logits: np.ndarray, task: str, class_weights: Sequence[float] | None, cuts: np.ndarray | None = None
    ) -> HeadPredictions:
        """From logits.

        Args:
            logits: (n, classes).
            task: of the model.
            class_weights: those in the logits, see ``ensemble.decision_weights``.
            cuts: (classes,) thresholds of the labels' probabilities, or NaN. Default: a label whose logit is above 0 is
                predicted.
        """
        raw = torch.from_numpy(without_weights(logits.astype(np.float64), class_weights))
        if task == "regression":
            return cls(raw.numpy(), raw.numpy(), np.ones(raw.shape, bool))
        if task == "multilabel":
            values, decided = raw.sigmoid().numpy(), logits > 0
            if cuts is not None:
                decided = np.where(np.isnan(cuts), decided, values > cuts)
            return cls(values, raw.numpy(), decided)
        others = ~torch.eye(raw.shape[1], dtype=torch.bool)
        rest = [raw[:, mask].logsumexp(dim=1) for mask in others]
        decided = logits.argmax(axis=1)[:, None] == np.arange(logits.shape[1])
        return cls(raw.softmax(dim=1).numpy(), (raw - torch.stack(rest, dim=1)).numpy(), decided)


class Predictions(NamedTuple):
    """The result of ``predict_rows``.

    Attributes:
        predicted: one row per example. Columns: id; label and correct, if the rows have labels; predicted; confidence,
            the probability of the decision (multilabel: mean over the labels of the probability of the decided state);
            per modality m {m}_head, the decision of its head alone, {m}_head_probability, that head's probability of
            the decision, {m}_contribution (multilabel: mean over the predicted labels, NaN if there is none) and
            without_{m}, the decision without it; probability_{class}. For a regression: id, label_{target},
            predicted_{target}, and per modality {m}_head_{target} and {m}_contribution_{target}. A reference model
            has no columns of heads.
        contributions: ``CONTRIBUTION_COLUMNS``, one row per example, predicted class (regression: target) and modality:
            the probability (value) with all modalities and without this one, their difference, and whether the class
            is no longer predicted without it.
        summary: the numbers over all rows.
    """

    predicted: pd.DataFrame
    contributions: pd.DataFrame
    summary: PredictionSummary


def predict_rows(
    model: AnyModel, table: MultimodalTable, thresholds: dict[str, float], device: torch.device
) -> Predictions:
    """Decisions, and each modality's contribution to them.

    A modality's contribution to a predicted class of one row is the loss of probability when it is left out:

        contribution = p(class | all modalities) - p(class | all but this one)

    ``log_odds_contribution`` is the same difference of log(p / (1 - p)), which does not shrink near 0 and 1. For a
    regression both are the difference of the value, in the target's unit. A modality is left out by replacing its input
    with its mean over the training data. Contributions do not add up: if two modalities hold the same information, each
    contributes little. A model of one modality has no contributions, because nothing else would be left.

    The modalities' heads show what each modality predicts alone. They take part in the decision only with the fusion
    function "late". A reference model has no heads.

    Args:
        model: on ``device``.
        table: rows in the stored types.
        thresholds: for a multilabel task, class -> probability above which it is predicted. A class without one is
            predicted where its logit is above 0.
        device: to compute on.

    Raises:
        ValueError: the rows have another schema than the training data.
    """
    check_fits(table, model.architecture)
    task, classes, weights = model.architecture.task, model.architecture.classes, decision_weights(model)
    cuts = np.array([thresholds.get(name, np.nan) for name in classes])
    logits = compute_logits(model, table, device)
    modalities = list(model.architecture.inputs) if len(model.architecture.inputs) > 1 else []
    without = {}
    for name in modalities:
        with model.left_out(name):
            without[name] = HeadPredictions.of(compute_logits(model, table, device)[FUSED], task, weights, cuts)
    fused = HeadPredictions.of(logits[FUSED], task, weights, cuts)
    heads = [name for name in modalities if name in logits]
    alone = {name: HeadPredictions.of(logits[name], task, model.architecture.class_weights) for name in heads}
    wide = _values_frame if task == "regression" else _classes_frame
    predicted = wide(table, classes, fused, alone, without)
    contributions = _contributions(table.ids, classes, fused, without)
    summary = PredictionSummary(
        rows=len(table),
        decided={} if task == "regression" else dict(zip(classes, fused.decided.sum(axis=0).tolist(), strict=True)),
        modalities=summarise(contributions, predicted),
        scores=_scores(table, logits[FUSED], fused.decided) if table.labelled else {},
    )
    return Predictions(predicted, contributions, summary)


def summarise(contributions: pd.DataFrame, predicted: pd.DataFrame) -> dict[str, ClassContribution | ValueContribution]:
    """Modality -> its contribution over all rows.

    Args:
        contributions, predicted: as in ``Predictions``.
    """
    summary: dict[str, ClassContribution | ValueContribution] = {}
    for modality, rows in contributions.groupby("modality", sort=False):
        name = str(modality)
        values = ValueContribution(
            rows=int(rows["id"].nunique()),
            mean_contribution=float(rows["contribution"].mean()),
            mean_absolute_contribution=float(rows["contribution"].abs().mean()),
        )
        summary[name] = values
        if "predicted" in predicted:
            head = f"{name}_head"
            summary[name] = ClassContribution(
                **values.model_dump(),
                flipped=float(rows["flips"].mean()),
                head_agrees=float((predicted[head] == predicted["predicted"]).mean()) if head in predicted else None,
            )
    return summary


def _scores(table: MultimodalTable, logits: np.ndarray, decided: np.ndarray) -> dict[str, float]:
    """The task's scores; of several labels those of the decisions, which have thresholds of their own."""
    task, classes = task_of(table.schema.task), table.schema.classes
    if task.name == "multilabel":
        return {name: score(name, table.labels, decided, len(classes)) for name in task.reported}
    return task.scores(table.labels, logits, classes)


def _classes_frame(
    table: MultimodalTable,
    classes: tuple[str, ...],
    fused: HeadPredictions,
    alone: dict[str, HeadPredictions],
    without: dict[str, HeadPredictions],
) -> pd.DataFrame:
    multilabel = table.schema.task == "multilabel"
    names = np.array(classes)

    def texts(decided: np.ndarray) -> list[str]:
        return [", ".join(names[row]) for row in decided]

    def certainty(values: np.ndarray) -> np.ndarray:
        """Probability of the fused decision."""
        return np.where(fused.decided, values, 1 - values).mean(1) if multilabel else values[fused.decided]

    frame: dict[str, np.ndarray | list[str]] = {"id": table.ids}
    if table.labelled:
        truth = table.label_matrix()
        frame |= {"label": texts(truth), "correct": (truth == fused.decided).all(axis=1)}
    frame |= {"predicted": texts(fused.decided), "confidence": certainty(fused.values)}
    for name in without:
        change = np.where(fused.decided, fused.values - without[name].values, 0.0).sum(axis=1)
        count = fused.decided.sum(axis=1)
        if name in alone:
            frame[f"{name}_head"] = texts(alone[name].decided)
            frame[f"{name}_head_probability"] = certainty(alone[name].values)
        frame |= {
            f"{name}_contribution": np.where(count > 0, change / np.maximum(count, 1), np.nan),
            f"without_{name}": texts(without[name].decided),
        }
    return pd.DataFrame(frame | {f"probability_{name}": fused.values[:, c] for c, name in enumerate(classes)})


def _values_frame(
    table: MultimodalTable,
    targets: tuple[str, ...],
    fused: HeadPredictions,
    alone: dict[str, HeadPredictions],
    without: dict[str, HeadPredictions],
) -> pd.DataFrame:
    frame: dict[str, np.ndarray | list[str]] = {"id": table.ids}
    for t, target in enumerate(targets):
        if table.labelled:
            frame[f"label_{target}"] = table.labels[:, t]
        frame[f"predicted_{target}"] = fused.values[:, t]
        for name in without:
            if name in alone:
                frame[f"{name}_head_{target}"] = alone[name].values[:, t]
            frame[f"{name}_contribution_{target}"] = (fused.values - without[name].values)[:, t]
    return pd.DataFrame(frame)


def _contributions(
    ids: np.ndarray, classes: tuple[str, ...], fused: HeadPredictions, without: dict[str, HeadPredictions]
) -> pd.DataFrame:
    rows, columns = np.nonzero(fused.decided)
    parts = [
        pd.DataFrame(
            {
                "id": ids[rows],
                "class": np.array(classes)[columns],
                "modality": name,
                "all": fused.values[rows, columns],
                "without": left.values[rows, columns],
                "contribution": (fused.values - left.values)[rows, columns],
                "log_odds_contribution": (fused.log_odds - left.log_odds)[rows, columns],
                "flips": ~left.decided[rows, columns],
            }
        )
        for name, left in without.items()
    ]
    if not parts:
        return pd.DataFrame(columns=list(CONTRIBUTION_COLUMNS))
    # Sorted by example, then class, then modality.
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
