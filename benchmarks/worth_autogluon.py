"""AutoGluon on the rows that ``benchmarks/worth.py`` wrote; run by the Python of an environment that has it.

    PYTHON worth_autogluon.py rows.npz logits.npz --seconds 600

Nothing of this project is imported. Models are kept in the working directory. A multilabel task gets a model per label,
with an equal share of the time, and its own threshold: the logits are shifted so that 0 is the threshold.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor

METRICS = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}
LABEL = "label"


def fit(features: pd.DataFrame, labels: np.ndarray, task: str, metric: str, options: dict[str, Any]) -> Any:
    """A fitted predictor."""
    predictor = TabularPredictor(LABEL, problem_type=task, eval_metric=metric, path=tempfile.mkdtemp(dir="."))
    return predictor.fit(features.assign(**{LABEL: labels}), **options)


def log_probabilities(predictor: Any, features: pd.DataFrame, classes: int) -> np.ndarray:
    """(n, classes); a class without a row has the smallest one."""
    found = predictor.predict_proba(features, as_multiclass=True).reindex(columns=range(classes), fill_value=0.0)
    return np.log(found.to_numpy(np.float64).clip(1e-9))


def predict(arrays: Any, seconds: float, options: dict[str, Any]) -> np.ndarray:
    """(n, classes) logits of the test rows."""
    train, test, task = pd.DataFrame(arrays["train"]), pd.DataFrame(arrays["test"]), str(arrays["task"])
    labels = arrays["labels"]
    columns = labels.reshape(len(labels), -1).T
    options = {**options, "time_limit": seconds / len(columns)}
    if task in ("binary", "multiclass"):
        return log_probabilities(fit(train, labels, task, METRICS[task], options), test, int(arrays["classes"]))
    parts = []
    for column in columns:
        if task == "regression":
            parts.append(fit(train, column, task, METRICS[task], options).predict(test).to_numpy(np.float64))
        elif column.min() == column.max():
            parts.append(np.where(column[:1] > 0, 9.0, -9.0).repeat(len(test)))
        else:
            predictor = fit(train, column, "binary", "f1", options)
            negative, positive = log_probabilities(predictor, test, 2).T
            threshold = np.clip(predictor.decision_threshold, 1e-9, 1 - 1e-9)
            parts.append(positive - negative - np.log(threshold / (1 - threshold)))
    return np.column_stack(parts)


def main() -> None:
    """Read, fit, predict, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--presets", default="best_quality")
    parser.add_argument("--cores", type=int)
    arguments = parser.parse_args()
    options = {"presets": arguments.presets, **({"num_cpus": arguments.cores} if arguments.cores else {})}
    start = time.perf_counter()
    with np.load(arguments.source) as arrays:
        logits = predict(arrays, arguments.seconds, options)
    np.savez(arguments.target, logits=logits, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
