"""The contenders' one look at the test split, and their figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.pipelines.compare.nodes import BASELINE
from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import Progress

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


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
    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.tasks import task_of

    for table in (validation, test):
        table.check()
    names = list(dict.fromkeys(key.split("/")[0] for key in inputs))
    models = {name: [inputs[f"{name}/seed_{seed}"] for seed in compare.seeds] for name in names}
    with Progress(2 * len(names) * len(compare.seeds), "Scoring models") as progress:
        blind = task_of(test.schema.task).dummy_prediction(train)
        known = {name: _predict(models[name], validation, blind, progress) for name in names}
        guesses = {name: _predict(models[name], test, blind, progress) for name in names}
    classes, rows = len(test.schema.classes), []
    published: dict[str, float | None] = dict(compare.published.items())
    for name in names:
        scores = [score(metric, test.labels, guess, classes) for guess in guesses[name]]
        entry, by_seed = inputs[f"{name}/contender"], inputs[f"{name}/history"].groupby("seed")
        rows.append(
            {
                "contender": name,
                "score": float(np.mean(scores)),
                "spread": float(np.std(scores, ddof=1)),
                "validation_score": float(np.mean([score(metric, validation.labels, g, classes) for g in known[name]])),
                **_difference(guesses[name], guesses[BASELINE], test, compare, metric),
                "parameters": entry["parameters"],
                "flops_per_example": entry["flops"],
                "learning_rate": inputs[f"{name}/tuned"]["learning_rate"],
                "rate_at_edge": inputs[f"{name}/tuned"]["at_edge"],
                "epochs": float(by_seed.size().mean()),
                "seconds": float(by_seed["seconds"].sum().mean()),
                "published": published.get(name),
                **{f"seed_{seed}": value for seed, value in zip(compare.seeds, scores, strict=True)},
            }
        )
    without = score(metric, test.labels, np.broadcast_to(blind, test.labels.shape), classes)
    rows.append({"contender": task_of(test.schema.task).dummy, "score": without})
    comparison = pd.DataFrame(rows).astype({"published": float})
    comparison.insert(0, "source", test.schema.source)
    comparison.insert(2, "metric", metric)
    predictions = {"id": test.ids, **_columns("label", test.labels, test)}
    for name in names:
        for seed, guess in zip(compare.seeds, guesses[name], strict=True):
            predictions |= _columns(f"{name}_seed_{seed}", guess, test)
    return comparison, pd.DataFrame(predictions)


def draw_comparison(comparison: pd.DataFrame) -> Any:
    """The table as bars."""
    from mixmas_pipeline.plots.comparison import comparison_figure

    return comparison_figure(comparison)


def _predict(models: list[Any], table: MultimodalTable, blind: np.ndarray, progress: Progress) -> np.ndarray:
    """Labels that each model gives, (models, rows[, classes]); ``blind`` for rows that lack all that it looks at."""
    from mixmas_pipeline.evaluation.metrics import predict
    from mixmas_pipeline.evaluation.presence import has_any
    from mixmas_pipeline.models.multimodal import FUSED
    from mixmas_pipeline.training.inference import compute_logits
    from mixmas_pipeline.utils.devices import pick_device

    device = pick_device("auto")
    guesses = []
    for model in models:
        guess = predict(compute_logits(model.to(device), table, device)[FUSED], table.schema.task)
        unseen = ~has_any(table, model.architecture.inputs)
        guess[unseen] = blind
        guesses.append(guess)
        progress.advance()
    return np.array(guesses)


def _difference(
    guess: np.ndarray, baseline: np.ndarray, test: MultimodalTable, compare: CompareParameters, metric: str
) -> dict[str, float]:
    """Mean difference to the baseline and its interval: Student's t over the seeds times the standard error that
    adds up, in quadrature, the noise of seeds and of examples. The few degrees of freedom are the seeds', so the
    interval is rather too wide than too narrow."""
    from scipy.stats import t

    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.significance import difference_error

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


def _columns(name: str, labels: np.ndarray, test: MultimodalTable) -> dict[str, np.ndarray]:
    """Class indices as they are; sets of labels as strings of 0 and 1; of a regression a column a target."""
    if test.schema.task == "regression":
        return {f"{name}_{target}": column for target, column in zip(test.schema.classes, labels.T, strict=True)}
    if labels.ndim == 1:
        return {name: labels}
    return {name: np.array(["".join(map(str, row)) for row in labels.astype(int)])}
