"""Budgets that are tried, and what trainings cost."""

from __future__ import annotations

import pytest
from search_samples import brightness_table, proposal

from mixmas_pipeline.pipelines.validate_search.budgets import budget_grid, training_flops, trial_budget
from mixmas_pipeline.pipelines.validate_search.parameters import ProxyParameters, TruthParameters


def test_every_combination_of_the_lists_has_a_budget() -> None:
    proxy = ProxyParameters(rows=(50, 100), epochs=(4, 16), learning_rates=(0.02, 0.01), seeds=(1,), replicates=3)
    grid = budget_grid(proxy)
    assert len(grid) == len(set(grid.values())) == 2 * 2 * 2 * 3
    assert grid["rows_100_epochs_4_rate_1_replicate_2"] == (100, 4, 0.01, 2)


def test_a_trial_has_exactly_its_steps_and_the_settings_optimiser() -> None:
    truth = TruthParameters(rows=100, learning_rate=0.3, batch_size=7, balance="classes", device="cpu")
    budget = trial_budget(truth, 9)
    assert (budget.steps, budget.extended_steps, budget.race) == (9, 9, None)
    assert (budget.learning_rate, budget.weight_decay, budget.batch_size) == (0.3, 0.05, 7)
    assert (budget.balance, budget.device) == ("classes", "cpu")
    assert trial_budget(truth, 9, 0.1) == budget.model_copy(update={"learning_rate": 0.1})


def test_a_training_step_costs_three_forward_passes() -> None:
    candidate = proposal(brightness_table(8), {"block": "mlp_mixer", "channel_dim": 4})
    assert training_flops(candidate, 200) == pytest.approx(3 * 200 * candidate.flops)
