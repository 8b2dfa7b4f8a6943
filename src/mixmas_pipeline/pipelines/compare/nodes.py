"""Nodes of the comparison. ``contenders`` builds and trains, ``evaluation`` scores on the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.models import presets
from mixmas_pipeline.models.architecture import Architecture, Preset
from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.pipelines.compare.results import Contender, TuningResult
from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.models.reference import ReferenceModel
else:
    pd = lazy("pandas")
    ReferenceModel = Any


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
    checkpoints: str,
) -> TuningResult:
    """Train a contender once with each learning rate, and select the one with the best validation score.

    Raises:
        FloatingPointError: no learning rate gave a finite loss.
    """
    from mixmas_pipeline.pipelines.compare.contenders import tune_learning_rate

    settings = training.model_copy(update={"seed": tuning_seed})
    return tune_learning_rate(contender, train, validation, settings, learning_rates, checkpoints)


def train_seeds(
    contender: Contender,
    tuned: TuningResult,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    seeds: list[int],
    checkpoints: str,
) -> dict[str, Any]:
    """Train a contender at its learning rate from each seed.

    Returns:
        history: each epoch of each seed; seed_N: the best epoch's model of seed N.
    """
    from mixmas_pipeline.pipelines.compare.contenders import train_from_seeds

    settings = training.model_copy(update={"learning_rate": tuned.learning_rate})
    models, history = train_from_seeds(contender, train, validation, settings, seeds, checkpoints)
    return {"history": history, **{f"seed_{seed}": model for seed, model in models.items()}}


def fit_linear(train: MultimodalTable, reference: ReferenceParameters, balance: str) -> list[ReferenceModel]:
    """The linear model, fitted once on the training split. It starts from no random weights, so that one fit serves all
    seeds."""
    from mixmas_pipeline.pipelines.compare.contenders import fit_from_seeds

    return fit_from_seeds("linear", train, reference, balance, [reference.seed])


def fit_trees(
    train: MultimodalTable, reference: ReferenceParameters, balance: str, seeds: list[int]
) -> list[ReferenceModel]:
    """Boosted trees, fitted on the training split once with each seed."""
    from mixmas_pipeline.pipelines.compare.contenders import fit_from_seeds

    return fit_from_seeds("trees", train, reference, balance, seeds)


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
        inputs: "contender/kind" -> contender, tuned, history, seed_N; of a reference model -> models.

    Returns:
        comparison: one row per contender; predictions: one row per test example.
    """
    from mixmas_pipeline.pipelines.compare.evaluation import compare_contenders, fitted, trained

    for table in (validation, test):
        table.check()
    contenders = {}
    for name in dict.fromkeys(key.split("/")[0] for key in inputs):
        if f"{name}/models" in inputs:
            contenders[name] = fitted(inputs[f"{name}/models"], compare.seeds)
            continue
        kept = {kind: inputs[f"{name}/{kind}"] for kind in ("contender", "tuned", "history")}
        contenders[name] = trained(**kept, models=[inputs[f"{name}/seed_{seed}"] for seed in compare.seeds])
    return compare_contenders(train, validation, test, compare, metric, contenders)


def draw_comparison(comparison: pd.DataFrame) -> Any:
    """The comparison as bars."""
    from mixmas_pipeline.plots.comparison import comparison_figure

    return comparison_figure(comparison)
