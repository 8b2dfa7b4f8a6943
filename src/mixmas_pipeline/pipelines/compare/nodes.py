"""Nodes of the comparison. A *contender* is an architecture with its cost."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.learning.parameters import CompareParameters, Metric, TrainingParameters
from mixmas_pipeline.mixers import presets
from mixmas_pipeline.mixers.architecture import Architecture, Encoder
from mixmas_pipeline.pipelines.training.fitting import Scratch
from mixmas_pipeline.pipelines.training.nodes import most_frequent, with_statistics

BASELINE, SEARCHED, MAJORITY = "baseline", "searched", "most frequent class"
_log = logging.getLogger(__name__)


def alone(modality: str) -> str:
    """Name of the contender that sees one modality only."""
    return f"{modality}_alone"


def line_up(train: MultimodalTable, architecture: dict[str, Any], baseline: Any) -> dict[str, dict[str, Any]]:
    """The contenders: the baseline, the searched architecture, and each of its encoders alone with one head.

    Args:
        train: gives shapes, classes and statistics.
        architecture: what the search has chosen.
        baseline: see ``CompareParameters``.

    Returns:
        Contender -> its name, parameters, flops, architecture.

    Raises:
        ValueError: the baseline is unknown, or does not fit the data.
    """
    from mixmas_pipeline.mixers.cost import cost

    searched = with_statistics(architecture, train)
    shape = presets.find(baseline if isinstance(baseline, str) else presets.Preset.model_validate(baseline))
    contenders = {
        BASELINE: presets.build(shape, searched.task, searched.classes, searched.inputs),
        SEARCHED: searched,
    }
    if len(searched.inputs) > 1:
        contenders |= {alone(name): _single(searched, name, encoder) for name, encoder in searched.encoders.items()}
    return {
        name: {
            "contender": name,
            "parameters": cost(contender).parameters,
            "flops": cost(contender).flops,
            "architecture": contender.model_dump(mode="json"),
        }
        for name, contender in contenders.items()
    }


def tune(
    contender: dict[str, Any],
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    learning_rates: list[float],
    tuning_seed: int,
    scratch: Path,
) -> dict[str, Any]:
    """Train a contender once with every learning rate, and take the one with the best validation score.

    Returns:
        contender; learning_rate: the chosen one, of equals the smallest; trials: rate, score, epochs, seconds.
    """
    architecture = Architecture.model_validate(contender["architecture"])
    work, trials = Scratch(scratch), []
    for number, rate in enumerate(sorted(learning_rates), start=1):
        _log.info("%s: learning rate %g, %d of %d", contender["contender"], rate, number, len(learning_rates))
        settings = training.model_copy(update={"learning_rate": rate, "seed": tuning_seed})
        _, history = work.fit(architecture, train, validation, settings)
        score = float(history[f"validation_{training.metric}_fused"].max())
        seconds = float(history["seconds"].sum())
        trials.append({"learning_rate": rate, "score": score, "epochs": len(history), "seconds": seconds})
    work.sweep()
    best = max(trials, key=lambda trial: trial["score"])["learning_rate"]
    if len(trials) > 2 and best in (trials[0]["learning_rate"], trials[-1]["learning_rate"]):
        _log.warning(
            "%s: the best learning rate, %g, is at the edge of those tried; a wider sweep may find a better one",
            contender["contender"],
            best,
        )
    return {"contender": contender["contender"], "learning_rate": best, "trials": trials}


def train_seeds(
    contender: dict[str, Any],
    tuned: dict[str, Any],
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    seeds: list[int],
    scratch: Path,
) -> dict[str, Any]:
    """Train a contender at its learning rate from every seed; early stopping watches the validation split.

    Returns:
        history: every epoch of every seed; seed_N: that seed's best epoch's model.
    """
    architecture = Architecture.model_validate(contender["architecture"])
    work, models, histories = Scratch(scratch), {}, []
    for number, seed in enumerate(seeds, start=1):
        _log.info("%s: seed %d, %d of %d", contender["contender"], seed, number, len(seeds))
        settings = training.model_copy(update={"learning_rate": tuned["learning_rate"], "seed": seed})
        models[f"seed_{seed}"], history = work.fit(architecture, train, validation, settings)
        histories.append(history.assign(seed=seed))
    work.sweep()
    return {"history": pd.concat(histories, ignore_index=True), **models}


def evaluate_contenders(
    train: MultimodalTable,
    validation: MultimodalTable,
    test: MultimodalTable,
    compare: CompareParameters,
    metric: Metric,
    **inputs: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every contender's models on the test split, and the differences to the baseline. Nothing is chosen after.

    Args:
        train: only its labels are read.
        inputs: "contender/kind" -> contender, tuned, history, seed_N.

    Returns:
        comparison: one row a contender; scores are means over seeds; ``low`` and ``high`` bound the difference to the
        baseline, paired by seed and by example.
        predictions: one row a test example; the labels that each contender's each seed gives.
    """
    from mixmas_pipeline.learning.metrics import predict, score
    from mixmas_pipeline.learning.microbenchmark import compute_logits, pick_device
    from mixmas_pipeline.mixers.model import FUSED

    for table in (validation, test):
        table.check()
    names = list(dict.fromkeys(key.split("/")[0] for key in inputs))
    device, classes, task = pick_device("auto"), len(test.schema.classes), test.schema.task

    def predicted(contender: str, table: MultimodalTable) -> np.ndarray:
        models = (inputs[f"{contender}/seed_{seed}"].to(device) for seed in compare.seeds)
        return np.array([predict(compute_logits(model, table, device)[FUSED], task) for model in models])

    guesses = {name: predicted(name, test) for name in names}
    on_validation = {
        name: [score(metric, validation.labels, guess, classes) for guess in predicted(name, validation)]
        for name in names
    }
    rows = []
    for name in names:
        scores = [score(metric, test.labels, guess, classes) for guess in guesses[name]]
        history = inputs[f"{name}/history"]
        entry, by_seed = inputs[f"{name}/contender"], history.groupby("seed")
        rows.append(
            {
                "contender": name,
                "score": float(np.mean(scores)),
                "spread": float(np.std(scores, ddof=1)),
                "validation_score": float(np.mean(on_validation[name])),
                **_difference(guesses[name], guesses[names[0]], test, compare, metric),
                "parameters": entry["parameters"],
                "flops_per_example": entry["flops"],
                "learning_rate": inputs[f"{name}/tuned"]["learning_rate"],
                "epochs": float(by_seed.size().mean()),
                "seconds": float(by_seed["seconds"].sum().mean()),
                "published": compare.published.get(name, np.nan),
                **{f"seed_{seed}": value for seed, value in zip(compare.seeds, scores, strict=True)},
            }
        )
    majority = np.broadcast_to(most_frequent(train), test.labels.shape)
    rows.append({"contender": MAJORITY, "score": score(metric, test.labels, majority, classes)})
    comparison = pd.DataFrame(rows)
    comparison.insert(0, "source", test.schema.source)
    comparison.insert(2, "metric", metric)
    predictions = pd.DataFrame({"id": test.ids, "label": _texts(test.labels)})
    for name in names:
        for seed, guess in zip(compare.seeds, guesses[name], strict=True):
            predictions[f"{name}_seed_{seed}"] = _texts(guess)
    return comparison, predictions


def draw_comparison(comparison: pd.DataFrame) -> Any:
    """The table as bars."""
    from mixmas_pipeline.pipelines.reporting.figures import comparison_figure

    return comparison_figure(comparison)


def _single(searched: Architecture, name: str, encoder: Encoder) -> Architecture:
    return Architecture(
        task=searched.task,
        classes=searched.classes,
        inputs={name: searched.inputs[name]},
        encoders={name: encoder},
    )


def _difference(
    guess: np.ndarray, baseline: np.ndarray, test: MultimodalTable, compare: CompareParameters, metric: str
) -> dict[str, float]:
    """Mean difference to the baseline and its interval: Student's t over the seeds times the standard error that
    adds up, in quadrature, the noise of seeds and of examples. The few degrees of freedom are the seeds', so the
    interval is rather too wide than too narrow."""
    from scipy.stats import t

    from mixmas_pipeline.learning.metrics import difference_error, score

    if guess is baseline:
        return {"difference": 0.0, "low": 0.0, "high": 0.0}
    labels, classes = test.labels, len(test.schema.classes)
    differences = [
        score(metric, labels, a, classes) - score(metric, labels, b, classes)
        for a, b in zip(guess, baseline, strict=True)
    ]
    error = difference_error(metric, labels, guess, baseline, classes, compare.resamples, 0)
    half = t.ppf((1 + compare.confidence) / 2, len(guess) - 1) * error
    mean = float(np.mean(differences))
    return {"difference": mean, "low": mean - half, "high": mean + half}


def _texts(labels: np.ndarray) -> np.ndarray:
    """Class indices as they are; sets of labels as strings of 0 and 1."""
    if labels.ndim == 1:
        return labels
    return np.array(["".join(map(str, row)) for row in labels.astype(int)])
