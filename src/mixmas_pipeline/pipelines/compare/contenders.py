"""The architectures that are compared, and how each is tuned and trained."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pandas as pd

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models import presets
from mixmas_pipeline.models.architecture import Architecture, Encoder, Preset
from mixmas_pipeline.models.cost import cost
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.models.reference import Kind, ReferenceModel
from mixmas_pipeline.pipelines.compare.results import (
    BASELINE,
    SEARCHED,
    Contender,
    TuningResult,
    TuningTrial,
    alone,
)
from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
from mixmas_pipeline.pipelines.reference.scoring import fit_timed
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.resumable import ResumableTrainings
from mixmas_pipeline.training.statistics import with_statistics
from mixmas_pipeline.utils.progress import CandidateScored, PartStarted, report

_log = logging.getLogger(__name__)


def build_contenders(train: MultimodalTable, architecture: Architecture, baseline: Preset) -> dict[str, Contender]:
    """The baseline, the searched architecture, and each of its encoders alone with one head.

    Args:
        train: gives shapes, classes and statistics.
        architecture: the search's result.
        baseline: an architecture without inputs and classes.

    Returns:
        Name -> contender.

    Raises:
        ValueError: the baseline does not fit the data.
    """
    searched = with_statistics(architecture, train)
    architectures = {
        BASELINE: presets.build(baseline, searched.task, searched.classes, searched.inputs, searched.targets),
        SEARCHED: searched,
    }
    if len(searched.inputs) > 1:
        architectures |= {alone(name): _single(searched, name, encoder) for name, encoder in searched.encoders.items()}
    contenders = {}
    for name, built in architectures.items():
        price = cost(built)
        contenders[name] = Contender(contender=name, parameters=price.parameters, flops=price.flops, architecture=built)
    return contenders


def tune_learning_rate(
    contender: Contender,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    rates: Sequence[float],
    checkpoints: str,
) -> TuningResult:
    """Train a contender once with each learning rate, and select the one with the best validation score.

    A training whose loss becomes infinite has the score None and cannot be selected.

    Raises:
        FloatingPointError: no learning rate gave a finite loss.
    """
    trainings, rates = ResumableTrainings(checkpoints), sorted(rates)
    trials = []
    for number, rate in enumerate(rates, start=1):
        _log.info("%s: learning rate %g, %d of %d", contender.contender, rate, number, len(rates))
        report(PartStarted("learning rate", number, len(rates)))
        settings = training.model_copy(update={"learning_rate": rate})
        trials.append(_tuning_trial(contender, train, validation, settings, trainings))
    trainings.finish()
    return _best_rate(contender.contender, trials)


def train_from_seeds(
    contender: Contender,
    train: MultimodalTable,
    validation: MultimodalTable,
    training: TrainingParameters,
    seeds: Sequence[int],
    checkpoints: str,
) -> tuple[dict[int, MultimodalMixer], pd.DataFrame]:
    """Train a contender from each seed; early stopping watches the validation split.

    Returns:
        Seed -> the best epoch's model; the history, one row per seed and epoch.
    """
    trainings, models, histories = ResumableTrainings(checkpoints), {}, []
    for number, seed in enumerate(seeds, start=1):
        _log.info("%s: seed %d, %d of %d", contender.contender, seed, number, len(seeds))
        report(PartStarted("seed", number, len(seeds)))
        settings = training.model_copy(update={"seed": seed})
        models[seed], history = trainings.fit(contender.architecture, train, validation, settings)
        score = _best_score(history, training)
        report(CandidateScored(contender.contender, str(seed), f"validation {training.metric}", score))
        histories.append(history.assign(seed=seed))
    trainings.finish()
    return models, pd.concat(histories, ignore_index=True)


def fit_from_seeds(
    kind: Kind, train: MultimodalTable, reference: ReferenceParameters, balance: str, seeds: Sequence[int]
) -> list[ReferenceModel]:
    """Fit a reference of all modalities on the training split, once with each seed."""
    names = list(train.schema.modalities)
    models = []
    for number, seed in enumerate(seeds, start=1):
        report(PartStarted("seed", number, len(seeds)))
        models.append(fit_timed(kind, train, names, reference, balance, seed))
    return models


def _tuning_trial(
    contender: Contender,
    train: MultimodalTable,
    validation: MultimodalTable,
    settings: TrainingParameters,
    trainings: ResumableTrainings,
) -> TuningTrial:
    rate = settings.learning_rate
    try:
        _, history = trainings.fit(contender.architecture, train, validation, settings)
    except FloatingPointError as error:
        _log.warning("%s: learning rate %g is out: %s", contender.contender, rate, error)
        return TuningTrial(learning_rate=rate, score=None, epochs=0, seconds=0.0)
    return TuningTrial(
        learning_rate=rate,
        score=_best_score(history, settings),
        epochs=len(history),
        seconds=float(history["seconds"].sum()),
    )


def _best_rate(name: str, trials: Sequence[TuningTrial]) -> TuningResult:
    """Select from trials in ascending order of their rates."""
    rates = [trial.learning_rate for trial in trials]
    scores = {trial.learning_rate: trial.score for trial in trials if trial.score is not None}
    if not scores:
        raise FloatingPointError(f"{name}: the loss became infinite with every learning rate of {rates}; lower them")
    best = max(scores, key=lambda rate: scores[rate])
    at_edge = len(rates) > 2 and best in (rates[0], rates[-1])
    if at_edge:
        _log.warning("%s: the best learning rate, %g, is at the edge of those tried; try more", name, best)
    return TuningResult(contender=name, learning_rate=best, at_edge=at_edge, trials=tuple(trials))


def _best_score(history: pd.DataFrame, training: TrainingParameters) -> float:
    return float(history[f"validation_{training.metric}_fused"].max())


def _single(searched: Architecture, name: str, encoder: Encoder) -> Architecture:
    return Architecture(
        task=searched.task,
        classes=searched.classes,
        inputs={name: searched.inputs[name]},
        encoders={name: encoder},
        targets=searched.targets,
    )
