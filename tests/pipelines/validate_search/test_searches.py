"""Searches on planted scores, without any training. (search/test_planted.py trains.)"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from planted_films import SELECTION, space, table

from mixmas_pipeline.pipelines.search.parameters import MatchParameters
from mixmas_pipeline.pipelines.search.results import Proposal, TrialResult
from mixmas_pipeline.pipelines.validate_search.proposals import Builder
from mixmas_pipeline.pipelines.validate_search.searches import Trials, import_optuna, stage_by_stage

TABLE = table(60, 0)
BEST = {"poster": "ramlp", "plot": "hyper_mixer", "sound": "mlp_mixer"}


class Planted(Trials):
    """The candidates of BEST and "max" predict every label; the others the opposite."""

    def get(self, proposal: Proposal, number: int) -> TrialResult:
        labels = self.labels(proposal.architecture)
        right = proposal.candidate in (BEST.get(proposal.stage), "max") or proposal.stage == "fusion_network"
        predicted = (labels if right else 1 - labels).astype(int).tolist()
        return TrialResult(seed=number, steps=1, score=float(right), predicted=predicted, losses=(), seconds=0.5)


def test_each_stage_takes_its_best_candidate_and_every_trial_is_paid() -> None:
    search = space().model_copy(update={"match": MatchParameters(tolerance=None)})
    builder, trials = Builder(TABLE, search), Planted(TABLE, TABLE, 3, search.budget, "f1_weighted", 0)
    found = stage_by_stage(search, builder, trials, 2, SELECTION)
    assert found.choice == {**BEST, "fusion_function": "max", "fusion_network": "mlp_mixer"}
    assert found.scores["plot"] == {"mlp_mixer": 0.0, "hyper_mixer": 1.0, "monarch_mixer": 0.0}
    proposals = [p for stage in found.choice for p in builder.stage(stage, found.choice).values()]
    assert len(proposals) == 2 + 3 + 1 + 2 + 1
    assert found.flops == pytest.approx(2 * sum(3 * 3 * 60 * p.flops for p in proposals))
    assert found.seconds == pytest.approx(2 * 0.5 * len(proposals))


def test_a_trial_that_explodes_scores_zero_with_the_dummys_labels() -> None:
    search = space().model_copy(update={"match": MatchParameters(tolerance=None)})
    budget = search.budget.model_copy(update={"steps": 2, "learning_rate": 1e30, "clip_norm": 1e30})
    trials = Trials(TABLE, TABLE, 1, budget, "f1_weighted", 40)
    candidate = Builder(TABLE, search).stage("plot", {})["mlp_mixer"]
    trial = trials.get(candidate, 1)
    assert (trial.seed, trial.score, trial.losses) == (41, 0.0, ())
    assert len({tuple(row) for row in np.array(trial.predicted).tolist()}) == 1
    assert trials.get(candidate, 1) is trial


def test_without_optuna_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'mixmas_pipeline\[optuna\]', or set .*proxy.joint"):
        import_optuna()
