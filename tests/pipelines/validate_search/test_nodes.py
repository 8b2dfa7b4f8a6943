"""Nodes of the validation: samples, combinations and budgets."""

from __future__ import annotations

import numpy as np
import pytest
from planted_films import space
from search_samples import brightness_table

from mixmas_pipeline.pipelines.search.parameters import SampleParameters
from mixmas_pipeline.pipelines.validate_search import nodes
from mixmas_pipeline.pipelines.validate_search.parameters import ProxyParameters, TruthParameters

SAMPLE = SampleParameters(seed=0, holdout_margin=0.2)


def proxy(*rows: int) -> ProxyParameters:
    return ProxyParameters(rows=rows, epochs=(3,), learning_rates=(0.1,), seeds=(2, 1), replicates=2, joint=False)


def test_full_trainings_draw_each_class_in_proportion() -> None:
    train = brightness_table(80)
    drawn = nodes.draw_truth_rows(train, TruthParameters(rows=40, learning_rate=0.1), SAMPLE)
    assert np.bincount(drawn.labels).tolist() == [10] * 4
    assert set(drawn.ids) < set(train.ids)
    assert nodes.draw_truth_rows(train, TruthParameters(rows=80, learning_rate=0.1), SAMPLE) is train


def test_budgets_have_the_steps_of_their_epochs() -> None:
    """At a margin of 0.2: n = 1.96^2 / 4 / 0.2^2 = 24.01, of 100 rows 24.01 / (1 + 23.01 / 100) = 19.5, so 20."""
    budgets = nodes.lay_out_budgets(brightness_table(100), proxy(30, 64), SAMPLE, space().budget)
    assert {(b.rows, b.budget.steps) for b in budgets.values()} == {(30, 3), (64, 3)}
    assert {(b.holdout, b.seeds, b.joint) for b in budgets.values()} == {(20, (1, 2), None)}
    assert sorted(b.replicate for b in budgets.values()) == [0, 0, 1, 1]


def test_samples_that_leave_too_little_to_score_on_are_named() -> None:
    with pytest.raises(ValueError, match=r"proxy.rows asks for 81 examples beside the 20 .*training split has 100"):
        nodes.lay_out_budgets(brightness_table(100), proxy(30, 81), SAMPLE, space().budget)
