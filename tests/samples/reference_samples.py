"""A table of reference models, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
from mixmas_pipeline.pipelines.reference.results import Verdict

QUICK = ReferenceParameters(resamples=50)


def references(*rows: tuple[str, str, float], error: float = 0.02, metric: str = "accuracy") -> pd.DataFrame:
    """One row per model, its modalities and its validation score."""
    common: dict[str, Any] = {"metric": metric, "validation_error": error, "test": 0.5, "low": 0.4, "high": 0.6}
    common |= {"auroc": 0.75, "rows": 80, "rows_refitted": 100, "features": 9, "parameters": 1234, "seconds": 1.5}
    made = [{"model": m, "modalities": names, "validation": score} for m, names, score in rows]
    return pd.DataFrame(made).assign(**common, bounded="")


def recommending(model: str, modalities: str) -> Verdict:
    """A verdict that recommends this model."""
    scores = {"validation": 0.8, "test": 0.7, "low": 0.6, "high": 0.8}
    best, other = ({"model": m, "modalities": modalities, **scores} for m in (model, "network"))
    difference = {"difference": 0.0, "low": -0.1, "high": 0.1, "outcome": "level", "rows": 9}
    sentences = ("It is as good.", "Use it.")
    found = {"metric": "accuracy", "recommended": best, "other": other, "sentences": sentences, **difference}
    return Verdict.model_validate(found)


def network_predictions(ids: Any, labels: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """As of a network that is sure of these labels, one class per row."""
    certain = labels[:, None] == np.arange(len(classes))
    return pd.DataFrame({"id": ids, **{f"probability_{c}": certain[:, i] * 1.0 for i, c in enumerate(classes)}})
