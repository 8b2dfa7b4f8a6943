"""Nodes that train the contenders. A *contender* is an architecture with its cost.

What judges them is in ``judging``: a change there must not train anything again.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models import presets
from mixmas_pipeline.models.architecture import Architecture, Encoder, Preset
from mixmas_pipeline.pipelines.training.fitting import Scratch, with_statistics
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import CandidateScored, PartStarted, report

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

BASELINE, SEARCHED = "baseline", "searched"
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
    from mixmas_pipeline.models.cost import cost

    searched = with_statistics(architecture, train)
    preset = presets.find(baseline) if isinstance(baseline, str) else Preset.model_validate(baseline)
    contenders = {
        BASELINE: presets.build(preset, searched.task, searched.classes, searched.inputs, searched.targets),
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

    A training whose loss becomes infinite has a score of None and cannot be taken.

    Returns:
        contender; learning_rate: the chosen one, of equals the smallest; at_edge: whether it is the smallest or
        largest of three or more that were tried; trials: rate, score, epochs, seconds.

    Raises:
        FloatingPointError: no learning rate gave a finite loss.
    """
    architecture, name = Architecture.model_validate(contender["architecture"]), contender["contender"]
    work, rates = Scratch(scratch), sorted(learning_rates)
    trials: list[dict[str, Any]] = []
    for number, rate in enumerate(rates, start=1):
        _log.info("%s: learning rate %g, %d of %d", name, rate, number, len(rates))
        report(PartStarted("learning rate", number, len(rates)))
        settings = training.model_copy(update={"learning_rate": rate, "seed": tuning_seed})
        try:
            _, history = work.fit(architecture, train, validation, settings)
        except FloatingPointError as error:
            _log.warning("%s: learning rate %g is out: %s", name, rate, error)
            trials.append({"learning_rate": rate, "score": None, "epochs": 0, "seconds": 0.0})
            continue
        score = float(history[f"validation_{training.metric}_fused"].max())
        seconds = float(history["seconds"].sum())
        trials.append({"learning_rate": rate, "score": score, "epochs": len(history), "seconds": seconds})
    work.sweep()
    finished = [trial for trial in trials if trial["score"] is not None]
    if not finished:
        raise FloatingPointError(f"{name}: the loss became infinite with every learning rate of {rates}; lower them")
    best = max(finished, key=lambda trial: trial["score"])["learning_rate"]
    at_edge = len(rates) > 2 and best in (rates[0], rates[-1])
    if at_edge:
        _log.warning("%s: the best learning rate, %g, is at the edge of those tried; try more", name, best)
    return {"contender": name, "learning_rate": best, "at_edge": at_edge, "trials": trials}


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
        report(PartStarted("seed", number, len(seeds)))
        settings = training.model_copy(update={"learning_rate": tuned["learning_rate"], "seed": seed})
        models[f"seed_{seed}"], history = work.fit(architecture, train, validation, settings)
        score = float(history[f"validation_{training.metric}_fused"].max())
        report(CandidateScored(contender["contender"], str(seed), f"validation {training.metric}", score))
        histories.append(history.assign(seed=seed))
    work.sweep()
    return {"history": pd.concat(histories, ignore_index=True), **models}


def _single(searched: Architecture, name: str, encoder: Encoder) -> Architecture:
    return Architecture(
        task=searched.task,
        classes=searched.classes,
        inputs={name: searched.inputs[name]},
        encoders={name: encoder},
        targets=searched.targets,
    )
