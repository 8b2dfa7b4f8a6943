"""What a trained model says of rows, and what each modality and each head has to do with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.training.inference import check_fits, compute_logits

CONTRIBUTION_COLUMNS = ("id", "class", "modality", "all", "without", "contribution", "log_odds_contribution", "flips")


class Answers(NamedTuple):
    """What a head says of rows; every array is (n, classes).

    Attributes:
        values: probabilities; of a regression the targets' values.
        log_odds: log(p / (1 - p)); of a regression the values.
        decided: the most probable class, or every label above its threshold; of a regression all targets.
    """

    values: np.ndarray
    log_odds: np.ndarray
    decided: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray, task: str, cuts: np.ndarray) -> Answers:
        """From (n, classes) logits. ``cuts``: (classes,) thresholds of labels' probabilities."""
        raw = torch.from_numpy(logits).double()
        if task == "regression":
            return cls(raw.numpy(), raw.numpy(), np.ones(raw.shape, bool))
        if task == "multilabel":
            values = raw.sigmoid().numpy()
            return cls(values, raw.numpy(), values > cuts)
        others = ~torch.eye(raw.shape[1], dtype=torch.bool)
        rest = [raw[:, mask].logsumexp(dim=1) for mask in others]
        decided = logits.argmax(axis=1)[:, None] == np.arange(logits.shape[1])
        return cls(raw.softmax(dim=1).numpy(), (raw - torch.stack(rest, dim=1)).numpy(), decided)


class Predictions(NamedTuple):
    """What ``predict_rows`` finds.

    Attributes:
        predicted: one row an example: id; label and correct, where labels are known; predicted; confidence, the
            probability of the decision (multilabel: mean over the labels of that of being as decided); for each
            modality m {m}_head, what its head says by itself, {m}_head_probability, what that head gives the decision,
            {m}_contribution (multilabel: mean over the labels that are set; NaN where none is) and without_{m}, the
            decision without it; probability_{class}. Of a regression: id, label_{target}, predicted_{target}, and for
            each modality {m}_head_{target} and {m}_contribution_{target}.
        contributions: ``CONTRIBUTION_COLUMNS``, one row for each example, class that is decided for (regression:
            target) and modality: the probability (value) with all modalities and without this one, their difference,
            and whether the class is no longer decided for without it.
        summary: "rows", how many; "modalities", what each does over all rows, see ``summarise``; "scores" on these
            rows, where labels are known.
    """

    predicted: pd.DataFrame
    contributions: pd.DataFrame
    summary: dict[str, Any]


def predict_rows(
    model: MultimodalMixer, table: MultimodalTable, thresholds: dict[str, float], device: torch.device
) -> Predictions:
    """Decisions, and what they rest on.

    A modality's contribution to a class that is decided for, in one row, is what leaving the modality out takes away:

        contribution = p(class | all modalities) - p(class | all but this one)

    ``log_odds_contribution`` is the same difference of log(p / (1 - p)), which does not shrink near 0 and 1. Of a
    regression both are the difference of the value, in the target's unit. Left out means that the modality's input is
    its mean over the training data. Contributions need not add up to anything: of two modalities that say the same,
    each contributes little. With one modality alone there is nothing else left, and so no contribution.

    The heads of single modalities are trained beside the fused one, and take no part in the decision: they show what
    each modality says by itself.

    Args:
        model: on ``device``.
        table: rows in the stored types.
        thresholds: of multilabel data, class -> probability above which it is set; 0.5 where none is given.
        device: to compute on.

    Raises:
        ValueError: the rows are not like those that the model was trained on.
    """
    check_fits(table, model.architecture)
    task, classes = model.architecture.task, model.architecture.classes
    cuts = np.array([thresholds.get(name, 0.5) for name in classes])
    logits = compute_logits(model, table, device)
    heads = [name for name in logits if name != FUSED and len(logits) > 2]
    without = {}
    for name in heads:
        with left_out(model, name):
            without[name] = Answers.of(compute_logits(model, table, device)[FUSED], task, cuts)
    fused = Answers.of(logits[FUSED], task, cuts)
    alone = {name: Answers.of(logits[name], task, np.full(len(classes), 0.5)) for name in heads}
    wide = _values_frame if task == "regression" else _classes_frame
    predicted = wide(table, classes, fused, alone, without)
    contributions = _contributions(table.ids, classes, fused, without)
    scores = _scores(table, fused) if table.labelled else {}
    summary = {"rows": len(table), "modalities": summarise(contributions, predicted), "scores": scores}
    return Predictions(predicted, contributions, summary)


@contextmanager
def left_out(model: MultimodalMixer, modality: str) -> Iterator[None]:
    """Inside, the modality's input is its mean over the training data, whatever is given."""
    handle = model.standardise[modality].register_forward_hook(lambda module, given, out: torch.zeros_like(out))
    try:
        yield
    finally:
        handle.remove()


def summarise(contributions: pd.DataFrame, predicted: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Modality -> what it does over all rows: ``rows``, in which something could be left out; ``mean_contribution``;
    ``mean_absolute_contribution``; ``flipped``, the share of these decisions that would be others without it (no such
    share of a regression); ``head_agrees``, the share of all rows in which its head by itself decides the same."""
    found = {}
    for name, rows in contributions.groupby("modality", sort=False):
        found[str(name)] = {
            "rows": int(rows["id"].nunique()),
            "mean_contribution": float(rows["contribution"].mean()),
            "mean_absolute_contribution": float(rows["contribution"].abs().mean()),
        }
        if "predicted" in predicted:
            found[str(name)] |= {
                "flipped": float(rows["flips"].mean()),
                "head_agrees": float((predicted[f"{name}_head"] == predicted["predicted"]).mean()),
            }
    return found


def _scores(table: MultimodalTable, fused: Answers) -> dict[str, float]:
    if table.schema.task == "regression":
        error = fused.values - table.labels
        return {"mean_absolute_error": float(np.abs(error).mean()), "rmse": float(np.sqrt(np.square(error).mean()))}
    truth, classes = table.label_matrix(), len(table.schema.classes)
    return {name: score(name, truth, fused.decided, classes) for name in ("accuracy", "f1_macro", "f1_weighted")}


def _classes_frame(
    table: MultimodalTable,
    classes: tuple[str, ...],
    fused: Answers,
    alone: dict[str, Answers],
    without: dict[str, Answers],
) -> pd.DataFrame:
    many = table.schema.task == "multilabel"
    names = np.array(classes)

    def said(decided: np.ndarray) -> list[str]:
        return [", ".join(names[row]) for row in decided]

    def certainty(values: np.ndarray) -> np.ndarray:
        """Of the fused decision."""
        return np.where(fused.decided, values, 1 - values).mean(1) if many else values[fused.decided]

    frame: dict[str, Any] = {"id": table.ids}
    if table.labelled:
        truth = table.label_matrix()
        frame |= {"label": said(truth), "correct": (truth == fused.decided).all(axis=1)}
    frame |= {"predicted": said(fused.decided), "confidence": certainty(fused.values)}
    for name in alone:
        change = np.where(fused.decided, fused.values - without[name].values, 0.0).sum(axis=1)
        count = fused.decided.sum(axis=1)
        frame |= {
            f"{name}_head": said(alone[name].decided),
            f"{name}_head_probability": certainty(alone[name].values),
            f"{name}_contribution": np.where(count > 0, change / np.maximum(count, 1), np.nan),
            f"without_{name}": said(without[name].decided),
        }
    return pd.DataFrame(frame | {f"probability_{name}": fused.values[:, c] for c, name in enumerate(classes)})


def _values_frame(
    table: MultimodalTable,
    targets: tuple[str, ...],
    fused: Answers,
    alone: dict[str, Answers],
    without: dict[str, Answers],
) -> pd.DataFrame:
    frame: dict[str, Any] = {"id": table.ids}
    for t, target in enumerate(targets):
        if table.labelled:
            frame[f"label_{target}"] = table.labels[:, t]
        frame[f"predicted_{target}"] = fused.values[:, t]
        for name in alone:
            frame[f"{name}_head_{target}"] = alone[name].values[:, t]
            frame[f"{name}_contribution_{target}"] = (fused.values - without[name].values)[:, t]
    return pd.DataFrame(frame)


def _contributions(
    ids: np.ndarray, classes: tuple[str, ...], fused: Answers, without: dict[str, Answers]
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
    # Example by example; within one, class by class, then modality by modality.
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
