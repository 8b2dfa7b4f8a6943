"""Regret, rank correlation and the recommended budget, against counts made by hand."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixmas_pipeline.pipelines.validate_search.agreement import (
    agreement_table,
    kendall_tau,
    regret,
    summarise,
    truth_table,
)


def truths() -> dict[str, dict[str, Any]]:
    """Two encoders and two functions; "good" is 0.2 better than "bad", "sum" 0.1 better than "max"."""
    found = {}
    for i, encoder in enumerate(("bad", "good")):
        for j, function in enumerate(("max", "sum")):
            score = 0.5 + 0.2 * i + 0.1 * j
            found[f"{encoder}__{function}"] = {
                "choice": {"image": encoder, "fusion_function": function},
                "scores": [score - 0.01, score + 0.01],
                "parameters": 10,
                "flops": 25.0,
                "seconds": 1.0,
            }
    return found


def search(
    encoder: str, function: str, method: str = "stage by stage", rows: int = 10, flops: float = 5.0, **scores: Any
) -> dict[str, Any]:
    choice = {"image": encoder, "fusion_function": function}
    settings = {"method": method, "rows": rows, "epochs": 2, "learning_rate": 0.1, "seeds": 1}
    return {**settings, "choice": choice, "scores": scores, "flops": flops, "seconds": 1.0}


def test_regret_by_hand() -> None:
    scores = np.array([[0.8, 0.6], [0.7, 0.7], [0.1, 0.2]])
    # Seed 0 against the best by seed 1 (row 1: 0.7), seed 1 against the best by seed 0 (row 0: 0.6).
    assert regret(scores, 2) == pytest.approx(((0.7 - 0.1) + (0.6 - 0.2)) / 2)
    assert regret(scores, 0) == pytest.approx(((0.7 - 0.8) + (0.6 - 0.6)) / 2)


def test_regret_of_the_best_is_zero_in_expectation_and_not_flattered_by_luck() -> None:
    """All combinations are alike: a choice loses nothing, though the best of many noisy means looks better."""
    rng = np.random.default_rng(0)
    fair, naive = [], []
    for _ in range(2000):
        scores = rng.normal(size=(30, 2))
        fair.append(regret(scores, 0))
        naive.append(scores.mean(axis=1).max() - scores.mean(axis=1)[0])
    assert abs(np.mean(fair)) < 0.06
    assert np.mean(naive) > 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=8))
def test_kendall_tau_counts_pairs(pairs: list[tuple[int, int]]) -> None:
    """tau-b = (concordant - discordant) / sqrt(pairs not tied in a * pairs not tied in b)."""
    a, b = ([float(pair[i]) for pair in pairs] for i in range(2))
    signs = [(np.sign(x[0] - y[0]), np.sign(x[1] - y[1])) for x, y in combinations(pairs, 2)]
    untied = sum(s != 0 for s, _ in signs) * sum(t != 0 for _, t in signs)
    if untied:
        assert kendall_tau(a, b) == pytest.approx(sum(s * t for s, t in signs) / untied**0.5)
    else:
        assert np.isnan(kendall_tau(a, b))


def test_truth_table_ranks_by_mean() -> None:
    table = truth_table(truths())
    assert list(table["combination"]) == ["good__sum", "good__max", "bad__sum", "bad__max"]
    assert table["mean"].tolist() == pytest.approx([0.8, 0.7, 0.6, 0.5])
    assert table["spread"].tolist() == pytest.approx([0.02 / 2**0.5] * 4)
    assert list(table["image"]) == ["good", "good", "bad", "bad"]


def test_agreement_of_each_budget_by_hand() -> None:
    right, wrong = {"good": 0.9, "bad": 0.1}, {"good": 0.1, "bad": 0.9}
    searches = [
        search("good", "sum", image=right, fusion_function={"max": 0.1, "sum": 0.2}),
        search("bad", "sum", image=wrong, fusion_function={"max": 0.1, "sum": 0.2}),
        search("good", "max", method="joint (TPE)", flops=6.0),
        search("good", "sum", method="joint (TPE)", flops=6.0),
    ]
    greedy, joint = agreement_table(truth_table(truths()), searches).to_dict("records")
    assert greedy["method"] == "stage by stage"
    assert greedy["replicates"] == 2
    assert greedy["regret"] == pytest.approx((0 + 0.2) / 2)
    assert greedy["regret_worst"] == pytest.approx(0.2)
    assert greedy["regret_spread"] == pytest.approx(0.2 / 2**0.5)
    assert greedy["top1"] == 0.5
    assert greedy["tau_image"] == pytest.approx(0)  # 1 and -1
    assert greedy["tau_fusion_function"] == pytest.approx(1)
    assert greedy["tau"] == pytest.approx((1 + 0) / 2)
    assert greedy["cost"] == pytest.approx(5 / 100)
    assert joint["regret"] == pytest.approx(0.05)
    assert joint["cost"] == pytest.approx(6 / 100)
    assert np.isnan(joint["tau"])


def test_the_fusion_stage_is_held_against_the_encoders_that_were_chosen() -> None:
    found = truths()
    for name in ("bad__max", "bad__sum"):  # with the bad encoder the order of the functions is the other way round
        found[name]["scores"] = found["bad__sum" if name == "bad__max" else "bad__max"]["scores"][::-1]
    found["bad__max"]["scores"], found["bad__sum"]["scores"] = [0.6, 0.6], [0.5, 0.5]
    order = {"max": 0.1, "sum": 0.2}
    image = {"good": 0.9, "bad": 0.1}
    table = truth_table(found)
    good = agreement_table(table, [search("good", "sum", image=image, fusion_function=order)])
    bad = agreement_table(table, [search("bad", "sum", image=image, fusion_function=order)])
    assert good["tau_fusion_function"].item() == pytest.approx(1)
    assert bad["tau_fusion_function"].item() == pytest.approx(-1)


def test_the_cheapest_budget_within_a_standard_error_of_the_best_is_recommended() -> None:
    def row(rows: int, regret: float, spread: float, cost: float, method: str = "stage by stage") -> dict[str, Any]:
        measured = {"regret": regret, "regret_spread": spread, "cost": cost, "top1": 0.5, "tau": 0.5, "seconds": 1.0}
        return {
            "method": method,
            "rows": rows,
            "epochs": 2,
            "learning_rate": 0.1,
            "seeds": 2,
            "replicates": 4,
        } | measured

    agreement = pd.DataFrame(
        [
            row(100, 0.05, 0.02, 0.01),  # cheap, too bad: 0.01 + 0.02 / sqrt(4) = 0.02 is the limit
            row(200, 0.019, 0.02, 0.02),
            row(400, 0.01, 0.02, 0.04),
            row(800, 0.012, 0.02, 0.08),
            row(50, 0.0, 0.0, 0.001, method="joint (TPE)"),
        ]
    )
    summary = summarise(truth_table(truths()), agreement)
    assert summary["recommended"]["rows"] == 200
    assert summary["best"] == "good__sum"
    assert (summary["best_score"], summary["worst_score"]) == pytest.approx((0.8, 0.5))
    assert summary["noise"] == pytest.approx(0.02 / 2**0.5)
    # Losing 0, 0.1, 0.2 or 0.3 with equal chances.
    assert summary["random_regret"] == pytest.approx(0.15)
    assert summary["exhaustive_flops"] == 100
