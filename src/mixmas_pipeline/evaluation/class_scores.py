"""Scores of each class, or of each target of a regression, from the table of predictions."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd


def class_scores(predictions: pd.DataFrame, classes: list[str], thresholds: dict[str, float]) -> pd.DataFrame:
    """Precision, recall, F1 and number of examples of each class.

    Args:
        predictions: columns ``label`` and ``predicted`` (names of classes; of a multilabel task joined by ", "), and
            with thresholds ``probability_{class}``.
        classes: their order is that of the result's rows.
        thresholds: class -> probability above which it is predicted, tuned on validation. They add the columns "tuned
            threshold" and "f1, tuned"; empty: none.
    """
    truth, guess = label_matrix(predictions["label"], classes), label_matrix(predictions["predicted"], classes)
    hits, support, guessed = (truth & guess).sum(0), truth.sum(0), guess.sum(0)
    scores = pd.DataFrame(
        {
            "class": classes,
            "precision": hits / np.maximum(guessed, 1),
            "recall": hits / np.maximum(support, 1),
            "f1": 2 * hits / np.maximum(support + guessed, 1),
            "examples": support,
        }
    )
    if thresholds:
        tuned = predictions[[f"probability_{name}" for name in classes]].to_numpy() > [thresholds[c] for c in classes]
        scores["tuned threshold"] = [thresholds[name] for name in classes]
        scores["f1, tuned"] = 2 * (truth & tuned).sum(0) / np.maximum(support + tuned.sum(0), 1)
    return scores


def target_scores(predictions: pd.DataFrame, targets: list[str]) -> pd.DataFrame:
    """R2, root mean squared error, mean absolute error and mean error of each target, and the mean and standard
    deviation of its true values. R2 is NaN for a constant target.

    Args:
        predictions: columns ``label_{target}`` and ``error_{target}`` (predicted less true).
        targets: their order is that of the result's rows.
    """
    rows = []
    for name in targets:
        truth, error = predictions[f"label_{name}"], predictions[f"error_{name}"]
        deviation = float(truth.std(ddof=0))
        rows.append(
            {
                "target": name,
                "r2": 1 - float((error**2).mean()) / deviation**2 if deviation else float("nan"),
                "rmse": float((error**2).mean() ** 0.5),
                "mae": float(error.abs().mean()),
                "mean error": float(error.mean()),
                "true mean": float(truth.mean()),
                "true deviation": deviation,
            }
        )
    return pd.DataFrame(rows)


def label_matrix(labels: pd.Series, classes: list[str]) -> np.ndarray:
    """Which classes each row has: (rows, classes), bool. A multilabel row names several, joined by ", ", which may also
    be in a name."""
    names = "|".join(re.escape(name) for name in sorted(classes, key=len, reverse=True))
    any_name = re.compile(f"(?:^|, )({names})(?=, |$)")
    sets = [{text} if text in classes else set(any_name.findall(text)) for text in labels]
    return np.array([[name in names for name in classes] for names in sets])
