"""Regret, rank correlation and the recommended budget, against counts made by hand."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixmas_pipeline.pipelines.search.parameters import SampleParameters
from mixmas_pipeline.pipelines.validate_search.agreement import (
    Results,
    agreement_table,
    combination_table,
    kendall_tau,
    recommend,
    regrets,
    summarise,
)
from mixmas_pipeline.pipelines.validate_search.results import (
    AgreementSummary,
    CombinationResult,
    RecommendedBudget,
    SearchOutcome,
)


def trained(
    choice: dict[str, str], scores: tuple[float, float], halves: tuple[tuple[float, float], ...]
) -> CombinationResult:
    return CombinationResult(choice=choice, parameters=10, flops=25.0, scores=scores, halves=halves, seconds=1.0)


def full_trainings(
    encoders: tuple[str, str] = ("bad", "good"), functions: tuple[str, str] = ("max", "sum")
) -> dict[str, CombinationResult]:
    """Two encoders and two functions; "good" is 0.2 better than "bad", "sum" 0.1 better than "max"."""
    results = {}
    for i, encoder in enumerate(encoders):
        for j, function in enumerate(functions):
            score = 0.5 + 0.2 * i + 0.1 * j
            low, high = score - 0.01, score + 0.01
            choice = {"image": encoder, "fusion_function": function}
            results[f"{encoder}__{function}"] = trained(choice, (low, high), ((low, low), (high, high)))
    return results


def search(
    encoder: str, function: str, method: str = "stage by stage", rows: int = 10, flops: float = 5.0, **scores: Any
) -> SearchOutcome:
    return SearchOutcome(
        method=method,
        rows=rows,
        epochs=2,
        replicate=0,
        learning_rate=0.1,
        reference="mlp_mixer",
        seeds=1,
        choice={"image": encoder, "fusion_function": function},
        scores=scores,
        flops=flops,
        seconds=1.0,
    )


def summarised(results: Results, agreement: pd.DataFrame) -> AgreementSummary:
    """Of 1,000 rows to sample from, in batches of 64."""
    recommended = recommend(results, agreement, 1000, SampleParameters(seed=0), 64)
    return summarise(results, recommended, source="made up", rows=500, epochs=3, scored_on=60)


def test_regret_by_hand() -> None:
    """Each seed and half against the combination that the other seed prefers on the other half."""
    halves = np.array([[[0.8, 0.6], [0.5, 0.9]], [[0.7, 0.7], [0.6, 0.8]], [[0.1, 0.2], [0.3, 0.4]]])
    # Seed 0, half 0: best by seed 1 on half 1 is row 0 (0.9): 0.8. Seed 0, half 1: by seed 1 on half 0, row 1: 0.7.
    # Seed 1, half 0: best by seed 0 on half 1 is row 1 (0.7): 0.6. Seed 1, half 1: by seed 0 on half 0, row 0: 0.9.
    against = np.array([0.8, 0.7, 0.6, 0.9])
    own = np.array([[0.8, 0.6, 0.5, 0.9], [0.7, 0.7, 0.6, 0.8], [0.1, 0.2, 0.3, 0.4]])
    np.testing.assert_allclose(regrets(halves), (against - own).mean(axis=1))


def test_regret_is_not_flattered_by_luck_of_seeds_or_of_examples() -> None:
    """All combinations are alike: a choice loses nothing, though the best of many noisy means looks better. Luck with
    the examples is shared by the seeds."""
    rng = np.random.default_rng(0)
    fair, naive = [], []
    for _ in range(3000):
        seed_luck, example_luck = rng.normal(size=(30, 2, 2)), rng.normal(size=(30, 1, 2))
        halves = seed_luck + 2 * example_luck
        fair.append(regrets(halves)[0])
        means = halves.mean(axis=(1, 2))
        naive.append(means.max() - means[0])
    assert abs(np.mean(fair)) < 0.1
    assert np.mean(naive) > 2


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


def test_combination_table_ranks_by_mean() -> None:
    table = combination_table(full_trainings())
    assert list(table["combination"]) == ["good__sum", "good__max", "bad__sum", "bad__max"]
    assert table["mean"].tolist() == pytest.approx([0.8, 0.7, 0.6, 0.5])
    assert table["spread"].tolist() == pytest.approx([0.02 / 2**0.5] * 4)
    assert table["regret"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert list(table["image"]) == ["good", "good", "bad", "bad"]


def test_agreement_of_each_budget_by_hand() -> None:
    right, wrong = {"good": 0.9, "bad": 0.1}, {"good": 0.1, "bad": 0.9}
    searches = [
        search("good", "sum", image=right, fusion_function={"max": 0.1, "sum": 0.2}),
        search("bad", "sum", image=wrong, fusion_function={"max": 0.1, "sum": 0.2}),
        search("good", "max", method="joint (TPE)", flops=6.0),
        search("good", "sum", method="joint (TPE)", flops=6.0),
    ]
    greedy, joint = agreement_table(full_trainings(), searches).to_dict("records")
    assert greedy["method"] == "stage by stage"
    assert greedy["replicates"] == 2
    assert greedy["regret"] == pytest.approx((0 + 0.2) / 2)
    assert greedy["regrets"] == pytest.approx([0, 0.2])
    assert greedy["regret_spread"] == pytest.approx(0.2 / 2**0.5)
    assert greedy["top1"] == 0.5
    assert greedy["tau_image"] == pytest.approx(0)  # 1 and -1
    assert greedy["tau_fusion_function"] == pytest.approx(1)
    assert greedy["tau"] == pytest.approx((1 + 0) / 2)
    assert greedy["cost"] == pytest.approx(5 / 100)
    assert joint["regret"] == pytest.approx(0.05)
    assert joint["cost"] == pytest.approx(6 / 100)
    assert np.isnan(joint["tau"])


@pytest.mark.filterwarnings("error")
def test_a_stage_that_ranks_nothing_has_no_tau() -> None:
    """All candidates score the same, or there is only one: missing, without a warning, and the summary is JSON."""
    flat = search("good", "sum", image={"good": 0.5, "bad": 0.5}, fusion_function={"sum": 0.3})
    table = agreement_table(full_trainings(), [flat, flat.model_copy(update={"replicate": 1})])
    assert table["tau"].isna().all()
    assert table["tau_image"].isna().all()
    assert "tau_fusion_function" not in table
    json.dumps(summarised(full_trainings(), table).model_dump(mode="json"), allow_nan=False)


def test_fusion_functions_are_compared_with_the_reference_network() -> None:
    """The search compares them with that network only; with the other one their order is the other way round."""
    results = {}
    for network, better in (("mlp_mixer", "sum"), ("hyper_mixer", "max")):
        for function in ("max", "sum"):
            score = 0.9 if function == better else 0.2 if network == "hyper_mixer" else 0.7
            choice = {"image": "good", "fusion_function": function, "fusion_network": network}
            results[f"good__{function}__{network}"] = trained(choice, (score, score), ((score, score),) * 2)
    outcome = search("good", "sum", image={"good": 0.5}, fusion_function={"max": 0.1, "sum": 0.2})
    outcome = outcome.model_copy(update={"choice": {**outcome.choice, "fusion_network": "mlp_mixer"}})
    assert agreement_table(results, [outcome])["tau_fusion_function"].item() == pytest.approx(1)
    other = outcome.model_copy(update={"reference": "hyper_mixer"})
    assert agreement_table(results, [other])["tau_fusion_function"].item() == -1


def test_the_fusion_stage_is_compared_with_the_chosen_encoders() -> None:
    results = full_trainings()
    # With the bad encoder the order of the functions is the other way round.
    for name, score in (("bad__max", 0.6), ("bad__sum", 0.5)):
        results[name] = results[name].model_copy(update={"scores": (score, score)})
    order = {"max": 0.1, "sum": 0.2}
    image = {"good": 0.9, "bad": 0.1}
    good = agreement_table(results, [search("good", "sum", image=image, fusion_function=order)])
    bad = agreement_table(results, [search("bad", "sum", image=image, fusion_function=order)])
    assert good["tau_fusion_function"].item() == pytest.approx(1)
    assert bad["tau_fusion_function"].item() == pytest.approx(-1)


def test_the_cheapest_budget_within_a_standard_error_of_the_best_is_recommended() -> None:
    def row(rows: int, lost: list[float], cost: float, method: str = "stage by stage", seeds: int = 2) -> Any:
        measured = {"regret": np.mean(lost), "regrets": lost, "cost": cost, "top1": 0.5, "seconds": 1.0}
        return {"method": method, "rows": rows, "epochs": 2, "learning_rate": 0.1, "seeds": seeds} | measured

    # The truth's noise: 0.02 / sqrt(2) a seed, 0.01 for the mean of two.
    agreement = pd.DataFrame(
        [
            row(50, [0.0] * 4, 0.001, method="joint (TPE)"),
            row(60, [0.0] * 4, 0.002, seeds=1),  # one seed: the search itself needs two
            row(100, [0.03, 0.03, 0.03, 0.03], 0.01),  # loses 0.02 more, always: beyond the noise
            row(200, [0.015, 0.02, 0.02, 0.015], 0.02),  # 0.0075 more: within it
            row(400, [0.01, 0.01, 0.01, 0.01], 0.04),
            row(800, [0.01, 0.012, 0.01, 0.01], 0.08),
        ]
    )
    summary = summarised(full_trainings(), agreement)
    assert summary.recommended.rows == 200
    assert summary.recommended.steps == 7  # 2 epochs of 200 rows in batches of 64: 6.25
    # 200 of 1,000: n = 200 / (1 - 0.2) = 250; margin = 1.96 sqrt(0.25 / 250)
    assert summary.recommended.margin == pytest.approx(1.96 * (0.25 / 250) ** 0.5)
    assert isinstance(summary.recommended, RecommendedBudget)
    assert summary.best == "good__sum"
    assert (summary.best_score, summary.worst_score) == pytest.approx((0.8, 0.5))
    assert summary.noise == pytest.approx(0.02 / 2**0.5)
    # Losing 0, 0.1, 0.2 or 0.3 with equal chances.
    assert summary.random_regret == pytest.approx(0.15)
    assert summary.exhaustive_flops == 100
    assert summary.m2_mixer_regret is None
    with_m2_mixer = full_trainings(("mlp_mixer", "ramlp"), ("concat", "max"))
    assert summarised(with_m2_mixer, agreement).m2_mixer_regret == pytest.approx(0.3)
