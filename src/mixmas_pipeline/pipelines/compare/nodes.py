"""Nodes of the comparison. ``contenders`` builds and trains, ``evaluation`` scores on the test split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.models import presets
from mixmas_pipeline.models.architecture import Architecture, Preset
from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.pipelines.compare.results import Contender, TuningResult
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def propose_contenders(train: MultimodalTable, architecture: Architecture, baseline: Any) -> dict[str, Contender]:
    """The baseline, the searched architecture, and each of its encoders alone with one head.

    Args:
        train: gives shapes, classes and statistics.
        architecture: the search's result.
        baseline: see ``CompareParameters``.

    Returns:
        Name -> contender.

    Raises:
        ValueError: the baseline is unknown, or does not fit the data.
    """
    from mixmas_pipeline.pipelines.compare.contenders import build_contenders

    preset = presets.find(baseline) if isinstance(baseline, str) else Preset.model_validate(baseline)
    return build_contenders(train, architecture, preset)


def tune(
    contender: Contender,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    learning_rates: list[float],
    tuning_seed: int,
    scratch: Path,
) -> TuningResult:
    """Train a contender once with each learning rate, and select the one with the best validation score.

    Raises:
        FloatingPointError: no learning rate gave a finite loss.
    """
    from mixmas_pipeline.pipelines.compare.contenders import tune_learning_rate

    settings = training.model_copy(update={"seed": tuning_seed})
    return tune_learning_rate(contender, train, validation, settings, learning_rates, scratch)


def train_seeds(
    contender: Contender,
    tuned: TuningResult,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    seeds: list[int],
    scratch: Path,
) -> dict[str, Any]:
    """Train a contender at its learning rate from each seed.

    Returns:
        history: each epoch of each seed; seed_N: the best epoch's model of seed N.
    """
    from mixmas_pipeline.pipelines.compare.contenders import train_from_seeds

    settings = training.model_copy(update={"learning_rate": tuned.learning_rate})
    models, history = train_from_seeds(contender, train, validation, settings, seeds, scratch)
    return {"history": history, **{f"seed_{seed}": model for seed, model in models.items()}}


def evaluate_contenders(
    train: MultimodalTable,
    validation: MultimodalTable,
    test: MultimodalTable,
    compare: CompareParameters,
    metric: Metric,
    **inputs: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score each contender's models on the test split. Nothing is chosen after it.

    Args:
        train: only its labels are read.
        validation, test: to score on.
        compare: seeds, intervals, published scores.
        metric: the score.
        inputs: "contender/kind" -> contender, tuned, history, seed_N.

    Returns:
        comparison: one row per contender; predictions: one row per test example.
    """
    from mixmas_pipeline.pipelines.compare.evaluation import TrainedContender, compare_contenders

    for table in (validation, test):
        table.check()
    contenders = {}
    for name in dict.fromkeys(key.split("/")[0] for key in inputs):
        kept = {kind: inputs[f"{name}/{kind}"] for kind in ("contender", "tuned", "history")}
        models = [inputs[f"{name}/seed_{seed}"] for seed in compare.seeds]
        contenders[name] = TrainedContender(**kept, models=models)
    return compare_contenders(train, validation, test, compare, metric, contenders)


def draw_comparison(comparison: pd.DataFrame) -> Any:
    """The comparison as bars."""
    from mixmas_pipeline.plots.comparison import comparison_figure

    return comparison_figure(comparison)
