"""Trials of the search's candidates: training on the sample, scores on the held-out rows."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.pipelines.search.results import Labels, Proposal, TrialResult
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.training.trial import run_trials
from mixmas_pipeline.utils.progress import CandidateScored, report

_log = logging.getLogger(__name__)


def train_from_seeds(
    proposal: Proposal,
    sample: MultimodalTable,
    holdout: MultimodalTable,
    budget: BudgetParameters,
    metric: Metric,
    steps: int,
    seeds: Sequence[int],
) -> tuple[TrialResult, ...]:
    """Train a candidate for so many steps from each seed, and score it.

    Args:
        proposal: the candidate.
        sample, holdout: to train on; to score on.
        budget: optimiser, device and precision.
        metric: the score.
        steps: of each trial.
        seeds: one trial each.
    """
    label = f"{proposal.stage} {proposal.candidate}"
    trials = run_trials(proposal.architecture, sample, holdout, budget, steps, seeds, metric, label, parts=True)
    for trial in trials:
        report(CandidateScored(proposal.candidate, str(trial.seed), metric, trial.score))
    scores = " ".join(f"{trial.score:.3f}" for trial in trials)
    _log.info("%s: %s %s, %.1f s per seed", label, metric, scores, np.mean([trial.seconds for trial in trials]))
    return tuple(
        TrialResult(
            seed=trial.seed,
            steps=trial.steps,
            score=trial.score,
            predicted=plain_labels(trial.predicted, proposal.architecture.task),
            losses=tuple(trial.losses),
            seconds=trial.seconds,
        )
        for trial in trials
    )


def plain_labels(predicted: np.ndarray, task: str) -> Labels:
    """Predicted labels as JSON holds them: integers for classes, floats for a regression's targets."""
    labels: Labels = predicted.astype(float if task == "regression" else int).tolist()
    return labels
