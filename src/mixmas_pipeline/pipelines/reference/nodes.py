"""Nodes of the reference models: tables in; fitted models, their scores, and the verdict out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
from mixmas_pipeline.pipelines.reference.results import Verdict
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.models.reference import ReferenceModel
else:
    pd = lazy("pandas")
    ReferenceModel = Any


def fit_linear(
    train: MultimodalTable, reference: ReferenceParameters, balance: str, metric: str
) -> list[ReferenceModel]:
    """Linear models on the training split: of all modalities, then of each alone.

    Args:
        balance, metric: of the network's training; they hold for the references too.
    """
    from mixmas_pipeline.pipelines.reference.scoring import fit_sets

    return fit_sets("linear", train, reference, balance, metric)


def fit_trees(
    train: MultimodalTable, reference: ReferenceParameters, balance: str, metric: str
) -> list[ReferenceModel]:
    """Boosted trees on the training split: see ``fit_linear``."""
    from mixmas_pipeline.pipelines.reference.scoring import fit_sets

    return fit_sets("trees", train, reference, balance, metric)


def refit_linear(
    train: MultimodalTable, validation: MultimodalTable, reference: ReferenceParameters, balance: str, metric: str
) -> list[ReferenceModel]:
    """The same on the rows of the training and validation splits: the models that the test split scores."""
    from mixmas_pipeline.pipelines.reference.scoring import fit_sets, join

    return fit_sets("linear", join(train, validation, reference), reference, balance, metric)


def refit_trees(
    train: MultimodalTable, validation: MultimodalTable, reference: ReferenceParameters, balance: str, metric: str
) -> list[ReferenceModel]:
    """The same on the rows of the training and validation splits: the models that the test split scores."""
    from mixmas_pipeline.pipelines.reference.scoring import fit_sets, join

    return fit_sets("trees", join(train, validation, reference), reference, balance, metric)


def score_references(
    validation: MultimodalTable,
    test: MultimodalTable,
    reference: ReferenceParameters,
    metric: str,
    **models: list[ReferenceModel],
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Score every reference: on the validation split as fitted on the training split, on the test split as refitted on
    both.

    Args:
        metric: the score, by which the network's training stops too.
        models: "linear", "linear_refitted" and so on.

    Returns:
        references: one row per reference. model, modalities, metric; positive, the class that a binary task
        looks for, otherwise ""; validation and its standard error; test with its
        95 % interval (low, high); auroc on the test split (of a binary task the positive class', otherwise the mean);
        rows that it was fitted and refitted on, and of the test split; features, parameters, seconds of the refit;
        bounded: what was left out.
        logits: "model: modalities" -> (n, classes) of the test split.
    """
    from mixmas_pipeline.pipelines.reference.scoring import score_all

    return score_all(validation, test, reference, metric, models)


def give_verdict(
    test: MultimodalTable,
    metrics: dict[str, dict[str, float]],
    predictions: pd.DataFrame,
    references: pd.DataFrame,
    logits: dict[str, np.ndarray],
    reference: ReferenceParameters,
) -> Verdict:
    """Compare the network with the references: which is better, whether beyond noise, and what to do.

    Args:
        metrics, predictions: of the network.
        references, logits: see ``score_references``.
    """
    from mixmas_pipeline.pipelines.reference.verdict import conclude

    return conclude(test, metrics, predictions, references, logits, reference)
