"""Figures of the validation: regret against cost per method, and Kendall's tau per stage."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mixmas_pipeline.plots.agreement import regret_figure, tau_figure

AGREEMENT = pd.DataFrame(
    {
        "method": ["stage by stage", "joint (TPE)", "stage by stage"],
        "rows": [100, 100, 50],
        "epochs": [2, 2, 1],
        "learning_rate": [0.01, 0.01, 0.001],
        "seeds": [1, 1, 3],
        "replicates": [4, 4, 4],
        "regret": [0.02, 0.03, 0.05],
        "regret_spread": [0.01, 0.02, 0.04],
        "tau": [0.5, None, 0.2],
        "tau_spread": [0.1, None, 0.1],
        "tau_image": [0.4, None, 0.1],
        "cost": [0.5, 0.5, 0.1],
    }
)


def test_regret_stands_over_cost_with_its_standard_error() -> None:
    summary: dict[str, Any] = {"source": "digits", "random_regret": 0.2, "m2_mixer_regret": 0.04}
    figure = regret_figure(AGREEMENT, **summary)
    stages, joint = figure.data
    assert (stages.name, list(stages.x), list(stages.y)) == ("stage by stage", [0.1, 0.5], [0.05, 0.02])
    assert list(stages.error_y.array) == pytest.approx([0.02, 0.005]), "four replicates: half the spread"
    assert stages.hovertext[0] == "50 examples, 1 epochs, learning rate 0.001, 3 seeds"
    assert (joint.name, list(joint.y)) == ("joint (TPE)", [0.03])
    assert [line.y0 for line in figure.layout.shapes] == [0.2, 0.04, 0]
    without = regret_figure(AGREEMENT, **summary | {"m2_mixer_regret": None})
    assert [line.y0 for line in without.layout.shapes] == [0.2, 0]


def test_tau_is_that_of_the_stage_by_stage_search_by_cost() -> None:
    mean, image = tau_figure(AGREEMENT).data
    assert (mean.name, list(mean.x), list(mean.y)) == ("mean of the stages", [0.1, 0.5], [0.2, 0.5])
    assert (image.name, list(image.y)) == ("image", [0.1, 0.4])
    assert mean.line.width > image.line.width
