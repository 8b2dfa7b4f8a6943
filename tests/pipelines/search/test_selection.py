"""Which candidate wins, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from search_samples import LABELS, SELECTION, result, with_predictions

from mixmas_pipeline.pipelines.search.parameters import SelectionParameters
from mixmas_pipeline.pipelines.search.selection import break_tie, eliminate, not_above_chance, rank


def test_clear_winner_wins_at_any_cost_and_in_any_order() -> None:
    candidates = [result("cheap", 0.5, 1), result("good", 0.8, 100), result("mid", 0.6, 10)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        ranking = rank([candidates[i] for i in order], LABELS, SELECTION)
        assert ranking.winner == "good"
        assert ranking.tied == ["good"]
        assert "more than mid" in ranking.reason


def test_tie_goes_to_the_cheaper_one_and_the_reason_names_it() -> None:
    expensive, cheap = result("expensive", 0.70, 100), result("cheap", 0.69, 1)
    ranking = rank([expensive, cheap], LABELS, SelectionParameters(metric="accuracy", resamples=200, tie=3.0))
    assert ranking.winner == "cheap"
    assert set(ranking.tied) == {"expensive", "cheap"}
    assert "tie" in ranking.reason


@pytest.mark.parametrize(
    ("tie", "winner", "tied"),
    [
        (0.0, "best", ["best"]),
        (1.0, "near", ["best", "near"]),
        (2.0, "far", ["best", "near", "far"]),
    ],
)
def test_tie_rule_by_hand(tie: float, winner: str, tied: list[str]) -> None:
    """The best is right on all of 100 examples, "near" on 95, "far" on 80; standard errors are given: 0.06 and 0.12, so
    that "near" is 0.83 and "far" 1.67 of them behind."""
    labels = np.arange(100) % 4

    def right_on(name: str, count: int, flops: int) -> object:
        predicted = np.where(np.arange(100) < count, labels, (labels + 1) % 4)
        return with_predictions(name, [predicted, predicted], flops, labels)

    best, near, far = right_on("best", 100, 9), right_on("near", 95, 5), right_on("far", 80, 1)
    selected, within = break_tie([best, near, far], best, {"near": 0.06, "far": 0.12}, tie)  # type: ignore[list-item, arg-type]
    assert (selected.candidate, [r.candidate for r in within]) == (winner, tied)


@pytest.mark.parametrize(
    ("flops", "winner", "why"),
    [
        pytest.param(100, "cheap", "cheap is the cheapest of them", id="clearly cheaper"),
        pytest.param(1099, "best", "best is the best of them, which cost about the same", id="about the same"),
        pytest.param(1000, "best", "best is the best of them, which cost about the same", id="the same"),
    ],
)
def test_a_price_that_hardly_differs_does_not_decide(flops: int, winner: str, why: str) -> None:
    best, cheap = result("best", 0.70, 1000 if flops == 100 else flops), result("cheap", 0.69, min(flops, 1000))
    ranking = rank([best, cheap], LABELS, SelectionParameters(metric="accuracy", resamples=200, tie=3.0))
    assert (ranking.winner, set(ranking.tied)) == (winner, {"best", "cheap"})
    assert why in ranking.reason


def test_the_best_of_the_cheapest() -> None:
    candidates = [result("best", 0.71, 1000), result("a", 0.69, 100), result("b", 0.70, 105)]
    ranking = rank(candidates, LABELS, SelectionParameters(metric="accuracy", resamples=200, tie=5.0))
    assert ranking.winner == "b"
    assert "b is the best of the cheapest of them. best scored" in ranking.reason


def test_equal_scores_are_decided_by_name_not_by_order() -> None:
    a, b = result("a", 0.7, 5), result("b", 0.7, 5)
    b = b.model_copy(update={"trials": a.trials})
    assert rank([a, b], LABELS, SELECTION).winner == rank([b, a], LABELS, SELECTION).winner == "a"


def test_seeds_that_disagree_make_a_tie() -> None:
    """The same mean difference is a tie when the seeds scatter, and none when they agree."""
    steady = rank([result("x", 0.70, 9), result("y", 0.60, 1)], LABELS, SELECTION)
    shaky = rank([result("x", 0.70, 9, spread=0.25), result("y", 0.60, 1, spread=-0.25)], LABELS, SELECTION)
    assert steady.tied == ["x"]
    assert shaky.winner == "y"


def test_candidates_at_chance_are_not_ranked() -> None:
    lucky, good = result("lucky", 0.25, 1), result("good", 0.5, 50)
    ranking = rank([lucky, good], LABELS, SELECTION)
    assert ranking.at_chance == ["lucky"]
    assert ranking.winner == "good"
    assert "not ranked: lucky" in ranking.reason
    assert not_above_chance([lucky, good], LABELS, SELECTION) == ["lucky"]


def test_when_none_is_above_chance_the_cheapest_wins_and_the_reason_says_so() -> None:
    ranking = rank([result("p", 0.25, 20), result("q", 0.25, 10)], LABELS, SELECTION)
    assert ranking.winner == "q"
    assert "No candidate was clearly above chance" in ranking.reason


def test_most_frequent_class_is_chance_even_when_it_is_frequent() -> None:
    labels = np.array([0] * 540 + [1] * 60)
    constant = with_predictions("constant", [np.zeros(600, dtype=int)] * 3, 1, labels)
    assert constant.scores == [0.9] * 3
    assert not_above_chance([constant], labels, SELECTION) == ["constant"]


def test_candidates_clearly_behind_are_eliminated_and_the_best_never_is() -> None:
    far, near, top = result("far", 0.5, 1), result("near", 0.79, 1), result("top", 0.8, 9)
    dropped = eliminate([far, near, top], LABELS, SELECTION, behind=3.0)
    assert list(dropped) == ["far"]
    assert "behind top" in dropped["far"]
    # By hand: of 600 examples, 80 % against 50 %, unpaired: a standard error of 0.026 for one seed at most.
    assert eliminate([far, top], LABELS, SELECTION, behind=40.0) == {}
    first, second = (result(name, 0.6, 1) for name in "ab")
    second = second.model_copy(update={"trials": first.trials})
    assert eliminate([first, second], LABELS, SELECTION, behind=0.001) == {}


def test_eliminated_candidates_do_not_win() -> None:
    """With fewer trials, an eliminated candidate's mean may lie above those of the others."""
    lucky, steady = result("lucky", 0.9, 1), result("steady", 0.8, 9)
    ranking = rank([lucky, steady], LABELS, SELECTION, dropped=["lucky"])
    assert ranking.winner == "steady"
    assert ranking.reason == "It was the only candidate left. Eliminated early: lucky."


def test_an_eliminated_candidate_above_chance_beats_remaining_ones_at_chance() -> None:
    """With their last seeds the remaining candidates have fallen to chance."""
    fallen, dropped = result("fallen", 0.25, 1, seeds=4), result("dropped", 0.6, 9, seeds=2)
    assert rank([fallen, dropped], LABELS, SELECTION, dropped=["dropped"]).winner == "dropped"
