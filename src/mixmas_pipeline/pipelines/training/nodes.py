"""Nodes of full training: architecture and tables in; model, history and held-out predictions out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.member_plan import MemberPlan
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mixmas_pipeline.models.multimodal import MultimodalMixer
    from mixmas_pipeline.models.reference import ReferenceModel
else:
    np, pd = lazy("numpy"), lazy("pandas")
    MultimodalMixer = ReferenceModel = Any

_log = logging.getLogger(__name__)


def train_model(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    checkpoints: str,
) -> tuple[MultimodalMixer, pd.DataFrame, dict[str, np.ndarray]]:
    """Train the architecture as a single model.

    Inputs are standardised with the statistics of the rows that a model is trained on, not the search sample's.

    Args:
        checkpoints: path or URL of the folder that a killed run resumes from.

    Returns:
        The model; the history, one row per epoch; the predictions of the validation split, see ``ensembling.HeldOut``.
    """
    from mixmas_pipeline.training.ensembling import train_single
    from mixmas_pipeline.training.resumable import ResumableTrainings

    for table in (train, validation):
        table.check()
    trainings = ResumableTrainings(checkpoints)
    model, history, held_out = train_single(architecture, train, validation, training, trainings)
    trainings.finish()
    return model, history, held_out.to_arrays()


def divide(
    architecture: Architecture, train: MultimodalTable, validation: MultimodalTable, training: TrainingParameters
) -> dict[str, Any]:
    """Check the tables, and say which rows each member of the ensemble is trained on.

    Returns:
        "folds": the fold of every row of training and validation, empty if there are none; "architecture": with the
        statistics of all rows that networks are trained on; "member_1" and so on: the members' plans.
    """
    from mixmas_pipeline.training import ensembling

    for table in (train, validation):
        table.check()
    folds, built, plans = ensembling.divide(architecture, train, validation, training)
    return {"folds": folds, "architecture": built, **{f"member_{plan.member + 1}": plan for plan in plans}}


def train_member(
    plan: MemberPlan, folds: np.ndarray, train: MultimodalTable, validation: MultimodalTable, checkpoints: str
) -> tuple[MultimodalMixer, pd.DataFrame, dict[str, np.ndarray]]:
    """Train one network of the ensemble.

    Args:
        folds: see ``divide``.
        checkpoints: as for ``train_model``.

    Returns:
        As ``train_model``. The held-out rows are those of the fold that the member is not trained on, or else the
        validation split.
    """
    from mixmas_pipeline.training import ensembling
    from mixmas_pipeline.training.resumable import ResumableTrainings

    trainings = ResumableTrainings(checkpoints)
    model, history, held_out = ensembling.train_member(plan, folds, train, validation, trainings)
    trainings.finish()
    return model, history, held_out.to_arrays()


def choose_epochs(**members: Any) -> dict[str, dict[str, int]]:
    """Say for how many epochs each network is to be trained.

    Args:
        members: "member_1.plan", ".history" and so on.

    Returns:
        "member_1" and so on: "epochs", and of how many that were trained.
    """
    from mixmas_pipeline.training import ensembling

    names = [f"member_{number}" for number in range(1, len(members) // 2 + 1)]
    histories = [members[f"{name}.history"] for name in names]
    chosen = ensembling.choose_epochs([members[f"{name}.plan"] for name in names], histories)
    found = {name: {"epochs": n, "of": len(h)} for name, n, h in zip(names, chosen, histories, strict=True)}
    for name, n, history in zip(names, chosen, histories, strict=True):
        if n < len(history):
            _log.info("%s: trained again, for the %d of %d epochs that suit the other folds", name, n, len(history))
    return found


def finish_member(
    plan: MemberPlan,
    epochs: dict[str, int],
    model: MultimodalMixer,
    held_out: dict[str, np.ndarray],
    folds: np.ndarray,
    train: MultimodalTable,
    validation: MultimodalTable,
    checkpoints: str,
) -> tuple[MultimodalMixer, dict[str, np.ndarray]]:
    """Train the network again where fewer epochs are better.

    Args:
        epochs: of this network, see ``choose_epochs``.
        model, held_out: of all epochs, as ``train_member`` returned them.
        folds: see ``divide``.
        checkpoints: as for ``train_model``.

    Returns:
        The model and its held-out predictions.
    """
    if epochs["epochs"] == epochs["of"]:
        return model, held_out
    shorter = plan.training.model_copy(update={"epochs": epochs["epochs"]})
    plan = plan.model_copy(update={"training": shorter})
    model, _, held_out = train_member(plan, folds, train, validation, checkpoints)
    return model, held_out


def fit_linear_member(
    folds: np.ndarray, train: MultimodalTable, validation: MultimodalTable, seed: int, balance: str
) -> tuple[list[ReferenceModel], dict[str, np.ndarray]]:
    """The ensemble's linear model, and its predictions of rows that it was not fitted on.

    Args:
        folds: see ``divide``.
        seed, balance: of the networks' training.
    """
    from mixmas_pipeline.training.ensembling import fit_reference_member

    model, held_out = fit_reference_member("linear", folds, train, validation, seed, balance)
    return [model], held_out.to_arrays()


def fit_trees_member(
    folds: np.ndarray, train: MultimodalTable, validation: MultimodalTable, seed: int, balance: str
) -> tuple[list[ReferenceModel], dict[str, np.ndarray]]:
    """The ensemble's boosted trees: see ``fit_linear_member``."""
    from mixmas_pipeline.training.ensembling import fit_reference_member

    model, held_out = fit_reference_member("trees", folds, train, validation, seed, balance)
    return [model], held_out.to_arrays()


def combine_members(
    architecture: Architecture,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    **members: Any,
) -> tuple[Any, pd.DataFrame, dict[str, np.ndarray]]:
    """Make the ensemble: weigh the members by their predictions of rows that they did not see.

    Args:
        architecture: see ``divide``.
        train, validation: read for their labels, and for which rows have which modality.
        members: "member_1.history" and so on, as ``train_member`` returns them; "member_1.model", ".held_out" and so
            on, as ``finish_member`` does; "linear.reference", ".held_out" and so on, as ``fit_linear_member`` does.

    Returns:
        The model; the history, one row per member and epoch; the predictions of rows by members that did not see them,
        see ``ensembling.HeldOut``.
    """
    from mixmas_pipeline.training import ensembling

    def of(kind: str) -> dict[str, Any]:
        """Member -> what it has of this kind."""
        suffix = f".{kind}"
        return {name.removesuffix(suffix): part for name, part in members.items() if name.endswith(suffix)}

    networks = of("model")
    held_out = {name: ensembling.HeldOut.from_arrays(arrays) for name, arrays in of("held_out").items()}
    references = [ensembling.ReferenceMember(model, held_out[kind]) for kind, (model,) in of("reference").items()]
    model, predicted = ensembling.combine_members(
        architecture,
        list(networks.values()),
        [held_out[name] for name in networks],
        references,
        np.concatenate([train.labels, validation.labels]),
        training,
        {name: np.concatenate([column, validation.present[name]]) for name, column in train.present.items()},
    )
    return model, pd.concat(of("history").values(), ignore_index=True), predicted.to_arrays()
