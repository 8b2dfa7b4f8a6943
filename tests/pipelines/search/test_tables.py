"""The leaderboard's rows, and what the report and the summary show of them."""

from __future__ import annotations

import numpy as np
import pytest
from search_samples import LABELS, SELECTION, decision, result

from mixmas_pipeline.pipelines.search.selection import rank
from mixmas_pipeline.pipelines.search.tables import leaderboard_table, losses_table


def test_the_leaderboard_says_which_candidate_was_eliminated_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    from mixmas_pipeline.hooks.summary import print_summary
    from mixmas_pipeline.pipelines.reporting.page import _stage_rows

    results = [result("far", 0.5, 1, seeds=2), result("top", 0.8, 9, seeds=4)]
    dropped = {"far": "After 2 seeds 0.300 ± 0.020 behind top."}
    board = leaderboard_table(results, rank(results, LABELS, SELECTION, dropped), decision(dropped=dropped))
    assert list(board["candidate"]) == ["top", "far"]
    assert list(board["trials"]) == [4, 2]
    assert list(board["dropped"]) == [False, True]
    assert np.isnan(board["seed_3"].iloc[1])
    assert board["reason"].iloc[1] == dropped["far"]
    assert list(board["seconds"]) == [4.0, 2.0]  # one per trial
    by_candidate = {row["candidate"]: row for row in _stage_rows(board)}
    assert by_candidate["far"]["notes"] == "dropped after 2 seeds"
    assert len(by_candidate["far"]["by_seed"].split()) == 2
    print_summary("x", {"leaderboard": board})
    assert "dropped after 2 seeds" in capsys.readouterr().out


def test_the_cheaper_of_equal_scores_comes_first() -> None:
    expensive, cheap = result("expensive", 0.7, 9), result("cheap", 0.7, 1)
    cheap = cheap.model_copy(update={"trials": expensive.trials})
    ranking = rank([expensive, cheap], LABELS, SELECTION)
    assert list(leaderboard_table([expensive, cheap], ranking, decision())["candidate"]) == ["cheap", "expensive"]


def test_losses_have_a_row_per_candidate_seed_and_step() -> None:
    losses = losses_table([result("a", 0.5, 1, seeds=2), result("b", 0.5, 1, seeds=1)])
    assert losses[["candidate", "seed", "step", "loss"]].values.tolist() == [
        ["a", 0, 1, 1.0],
        ["a", 1, 1, 1.0],
        ["b", 0, 1, 1.0],
    ]
