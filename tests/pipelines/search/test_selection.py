"""Which candidate wins: by hand, and on planted answers."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.parameters import SampleParameters, SelectionParameters
from mixmas_pipeline.pipelines.search.selection import fall_behind, judge, needs_extension
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.utils.progress import LOGGER, PartStarted

SELECTION = SelectionParameters(metric="accuracy", resamples=200)
LABELS = np.random.default_rng(0).integers(0, 4, 600)


def result(name: str, accuracy: float, flops: int, seeds: int = 3, spread: float = 0.0) -> dict[str, Any]:
    """A candidate whose predictions are right with the given probability."""
    rng = np.random.default_rng(sum(map(ord, name)))
    trials = []
    for seed in range(seeds):
        rate = accuracy + spread * (seed - (seeds - 1) / 2)
        right = rng.random(len(LABELS)) < rate
        predicted = np.where(right, LABELS, (LABELS + 1 + rng.integers(0, 3, len(LABELS))) % 4)
        trials.append(
            {"seed": seed, "steps": 10, "score": float((predicted == LABELS).mean()), "predicted": predicted.tolist()}
        )
    return {
        "stage": "image",
        "modality": "image",
        "candidate": name,
        "flops": flops,
        "parameters": flops,
        "architecture": {"classes": list("abcd")},
        "trials": trials,
    }


def test_clear_winner_wins_whatever_it_costs_and_wherever_it_stands() -> None:
    candidates = [result("cheap", 0.5, 1), result("good", 0.8, 100), result("mid", 0.6, 10)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        verdict = judge([candidates[i] for i in order], LABELS, SELECTION)
        assert verdict.winner == "good"
        assert verdict.tied == ["good"]
        assert "more than mid" in verdict.reason


def test_tie_goes_to_the_cheaper_one_and_says_so() -> None:
    dear, cheap = result("dear", 0.70, 100), result("cheap", 0.69, 1)
    verdict = judge([dear, cheap], LABELS, SelectionParameters(metric="accuracy", resamples=200, tie=3.0))
    assert verdict.winner == "cheap"
    assert set(verdict.tied) == {"dear", "cheap"}
    assert "tie" in verdict.reason


def test_equal_scores_are_decided_by_name_not_by_order() -> None:
    a, b = result("a", 0.7, 5), result("b", 0.7, 5)
    b["trials"] = a["trials"]
    assert judge([a, b], LABELS, SELECTION).winner == judge([b, a], LABELS, SELECTION).winner == "a"


def test_seeds_that_disagree_make_a_tie() -> None:
    """The same mean difference is a tie when the seeds scatter, and none when they agree."""
    steady = judge([result("x", 0.70, 9), result("y", 0.60, 1)], LABELS, SELECTION)
    shaky = judge([result("x", 0.70, 9, spread=0.25), result("y", 0.60, 1, spread=-0.25)], LABELS, SELECTION)
    assert steady.tied == ["x"]
    assert shaky.winner == "y"


def test_candidates_at_chance_are_not_ranked() -> None:
    lucky, learnt = result("lucky", 0.25, 1), result("learnt", 0.5, 50)
    verdict = judge([lucky, learnt], LABELS, SELECTION)
    assert verdict.at_chance == ["lucky"]
    assert verdict.winner == "learnt"
    assert "not ranked: lucky" in verdict.reason
    assert needs_extension([lucky, learnt], LABELS, SELECTION) == ["lucky"]


def test_when_none_is_above_chance_the_cheapest_is_taken_and_it_is_said() -> None:
    verdict = judge([result("p", 0.25, 20), result("q", 0.25, 10)], LABELS, SELECTION)
    assert verdict.winner == "q"
    assert "No candidate was clearly above chance" in verdict.reason


def test_most_frequent_class_is_chance_even_when_it_is_frequent() -> None:
    labels = np.array([0] * 540 + [1] * 60)
    constant = result("constant", 0.5, 1)
    for trial in constant["trials"]:
        trial["predicted"], trial["score"] = [0] * 600, 0.9
    assert needs_extension([constant], labels, SELECTION) == ["constant"]


def test_who_is_clearly_behind_is_dropped_and_the_best_never_is() -> None:
    far, near, top = result("far", 0.5, 1), result("near", 0.79, 1), result("top", 0.8, 9)
    dropped = fall_behind([far, near, top], LABELS, SELECTION, behind=3.0)
    assert list(dropped) == ["far"]
    assert "behind top" in dropped["far"]
    # By hand: of 600 examples, 80 % against 50 %, unpaired: a standard error of 0.026 for one seed at most.
    assert fall_behind([far, top], LABELS, SELECTION, behind=40.0) == {}
    same = [result(name, 0.6, 1) for name in "ab"]
    same[1]["trials"] = same[0]["trials"]
    assert fall_behind(same, LABELS, SELECTION, behind=0.001) == {}


def test_dropped_candidates_do_not_win() -> None:
    """With fewer trials a dropped one's mean may come to lie above those that went on."""
    lucky, steady = result("lucky", 0.9, 1), result("steady", 0.8, 9)
    verdict = judge([lucky, steady], LABELS, SELECTION, dropped=["lucky"])
    assert verdict.winner == "steady"
    assert "Dropped in the race: lucky" in verdict.reason


RACE = BudgetParameters.model_validate(
    {"steps": 3, "extended_steps": 6, "seeds": (5, 6, 7, 8), "learning_rate": 0.01, "device": "cpu"}
    | {"race": {"seeds": 2}}
)


def test_race_trains_the_remaining_seeds_of_those_that_are_left() -> None:
    sample, holdout = table(80), table(60, seed=1)
    first = nodes.train_candidate(
        proposal(sample, {"block": "mlp_mixer", "channel_dim": 16}), sample, holdout, RACE, SELECTION
    )
    assert [trial["seed"] for trial in first["trials"]] == [5, 6]
    plain = RACE.model_copy(update={"race": None})
    every = nodes.train_candidate(first, sample, holdout, plain, SELECTION)
    decision: dict[str, Any] = {"extend": False, "dropped": {}, "finish": ["c"]}
    finished = nodes.finish_candidate(first, decision, sample, holdout, RACE, SELECTION)
    assert [trial["seed"] for trial in finished["trials"]] == [5, 6, 7, 8]
    for one, other in zip(finished["trials"], every["trials"], strict=True):
        assert one["losses"] == other["losses"]  # as if they had been trained in one go
    assert nodes.finish_candidate(first, {**decision, "finish": []}, sample, holdout, RACE, SELECTION) is first
    longer = nodes.finish_candidate(first, {**decision, "extend": True}, sample, holdout, RACE, SELECTION)
    assert [(trial["seed"], trial["steps"]) for trial in longer["trials"]] == [(s, 6) for s in (5, 6, 7, 8)]


def test_time_left_in_a_race_is_that_of_the_seeds_that_a_node_trains(caplog: pytest.LogCaptureFixture) -> None:
    sample, holdout = table(80), table(60, seed=1)
    caplog.set_level(logging.DEBUG, LOGGER)

    def parts() -> list[tuple[int, int]]:
        told = [vars(record)["progress"] for record in caplog.records if record.name == LOGGER]
        caplog.clear()
        return [(event.number, event.of) for event in told if isinstance(event, PartStarted)]

    for batched, wanted in ((False, [(1, 2), (2, 2)]), (True, [(2, 2)])):
        budget = RACE.model_copy(update={"batched": batched})
        first = nodes.train_candidate(
            proposal(sample, {"block": "mlp_mixer", "channel_dim": 16}), sample, holdout, budget, SELECTION
        )
        assert parts() == wanted
        decision: dict[str, Any] = {"extend": False, "dropped": {}, "finish": ["c"]}
        nodes.finish_candidate(first, decision, sample, holdout, budget, SELECTION)
        assert parts() == wanted


@pytest.mark.parametrize(
    ("accuracies", "dropped", "finish"),
    [
        ({"a": 0.5, "b": 0.79, "c": 0.8}, ["a"], ["b", "c"]),
        ({"a": 0.5, "b": 0.5, "c": 0.8}, ["a", "b"], []),  # one is left: nothing to decide any more
        ({"a": 0.8, "b": 0.79, "c": 0.8}, [], ["a", "b", "c"]),
    ],
)
def test_decision_of_a_race(accuracies: dict[str, float], dropped: list[str], finish: list[str]) -> None:
    results = {name: result(name, accuracy, 1, seeds=2) for name, accuracy in accuracies.items()}
    holdout = table(600, labels=LABELS)
    found = nodes.decide(SELECTION, RACE, holdout, **results)
    assert (list(found["dropped"]), found["finish"], found["extend"]) == (dropped, finish, False)
    without = nodes.decide(SELECTION, RACE.model_copy(update={"race": None}), holdout, **results)
    assert (without["dropped"], without["finish"]) == ({}, [])
    at_chance = nodes.decide(SELECTION, RACE, holdout, **results, d=result("d", 0.25, 1, seeds=2))
    assert at_chance["extend"]
    assert (at_chance["dropped"], at_chance["finish"]) == ({}, [])


def test_the_leaderboard_says_who_was_dropped_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    from mixmas_pipeline.hooks.summary import print_summary
    from mixmas_pipeline.pipelines.reporting.page import _stage_rows

    seconds = {"losses": [(1, 1.0)], "seconds": 1.0}
    results = {"far": result("far", 0.5, 1, seeds=2), "top": result("top", 0.8, 9, seeds=4)}
    for one in results.values():
        one["trials"] = [{**trial, **seconds} for trial in one["trials"]]
    holdout = table(600, labels=LABELS)
    decision = {"extend": False, "dropped": {"far": "After 2 seeds 0.300 ± 0.020 behind top."}}
    choice, board, _ = nodes.choose(SELECTION, holdout, decision, **results)
    assert choice["candidate"] == "top"
    assert list(board["trials"]) == [4, 2]
    assert list(board["dropped"]) == [False, True]
    assert np.isnan(board["seed_3"].iloc[1])
    assert board["reason"].iloc[1] == decision["dropped"]["far"]
    by_candidate = {row["candidate"]: row for row in _stage_rows(board)}
    assert by_candidate["far"]["notes"] == "dropped after 2 seeds"
    assert len(by_candidate["far"]["by_seed"].split()) == 2
    print_summary("x", leaderboard=board)
    assert "dropped after 2 seeds" in capsys.readouterr().out


def test_a_candidate_at_chance_drops_nobody() -> None:
    """Who always says the most frequent class may score more than one who has learnt something."""
    rng = np.random.default_rng(5)
    labels = (rng.random(600) < 0.1).astype(int)
    learnt = np.where(labels == 1, rng.random(600) < 0.9, rng.random(600) < 0.2).astype(int)
    holdout = table(600, labels=labels)
    budget = RACE.model_copy(update={"extended_steps": RACE.steps})
    results = {}
    for name, predicted in {"majority": np.zeros(600, dtype=int), "learnt": learnt}.items():
        results[name] = result(name, 0.5, 1, seeds=2)
        for trial in results[name]["trials"]:
            trial |= {"predicted": predicted.tolist(), "score": float((predicted == labels).mean())}
    means = {name: one["trials"][0]["score"] for name, one in results.items()}
    assert means["majority"] > means["learnt"] + 0.05
    decision = nodes.decide(SELECTION, budget, holdout, **results)
    assert decision["at_chance"] == ["majority"]
    assert decision["dropped"] == {}
    assert judge(list(results.values()), labels, SELECTION, decision["dropped"]).winner == "learnt"


def test_the_dropped_are_better_than_none() -> None:
    """With their last seeds those that were left have come to chance."""
    fallen, dropped = result("fallen", 0.25, 1, seeds=4), result("dropped", 0.6, 9, seeds=2)
    assert judge([fallen, dropped], LABELS, SELECTION, dropped=["dropped"]).winner == "dropped"


def test_a_race_needs_seeds_to_race_for() -> None:
    with pytest.raises(ValueError, match=r"race.seeds is 4 of 4 seeds"):
        BudgetParameters.model_validate({**RACE.model_dump(), "race": {"seeds": 4}})


def table(
    rows: int, classes: int = 4, shape: tuple[int, ...] = (8, 8), seed: int = 0, labels: np.ndarray | None = None
) -> MultimodalTable:
    """One modality whose mean brightness gives the class away."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes if labels is None else labels
    x = rng.normal(size=(rows, *shape)).astype(np.float32) + 3 * labels.reshape(-1, *[1] * len(shape))
    schema = TableSchema({"x": Modality("image", shape, "float32")}, "multiclass", tuple(map(str, range(classes))))
    return MultimodalTable(schema, {"x": x.astype(np.float32)}, labels, [f"r{i}" for i in range(rows)])


def proposal(sample: MultimodalTable, block: dict[str, Any]) -> dict[str, Any]:
    stage = {
        "tokeniser": {"type": "patches", "patch": 4},
        "hidden_dim": 8,
        "depth": 1,
        "reference": "c",
        "candidates": {"c": block},
    }
    from mixmas_pipeline.pipelines.search.parameters import MatchParameters

    return nodes.propose_encoders(sample, {"x": stage}, MatchParameters())["x.c"]


def test_a_candidate_may_have_its_own_tokeniser() -> None:
    """A plain MLP on the vector beside a mixer on a token for each feature; parameters are matched all the same."""
    from mixmas_pipeline.pipelines.search.parameters import MatchParameters

    stage: dict[str, Any] = {
        "tokeniser": {"type": "values"},
        "tokenisers": {"plain": {"type": "vector"}},
        "hidden_dim": 16,
        "depth": 2,
        "reference": "plain",
        "candidates": {"plain": {"block": "mlp"}, "mixer": {"block": "mlp_mixer", "token_dim": 4, "channel_dim": 99}},
    }
    sample = table(40, shape=(5,))
    proposals = nodes.propose_encoders(sample, {"x": stage}, MatchParameters())
    kinds = {name: p["architecture"]["encoders"]["x"]["tokeniser"]["type"] for name, p in proposals.items()}
    assert kinds == {"x.plain": "vector", "x.mixer": "values"}
    plain, mixer = (proposals[name]["parameters"] for name in ("x.plain", "x.mixer"))
    assert abs(plain - mixer) <= 0.1 * plain
    stage["tokenisers"] = {"plian": {"type": "vector"}}
    with pytest.raises(ValueError, match=r"tokenisers names 'plian', which is not among the candidates"):
        nodes.propose_encoders(sample, {"x": stage}, MatchParameters())


def test_extension_trains_all_candidates_with_the_larger_budget() -> None:
    sample, holdout = table(80), table(60, seed=1)
    budget = BudgetParameters(steps=2, extended_steps=40, seeds=(0, 1), learning_rate=0.01, device="cpu")
    first = nodes.train_candidate(
        proposal(sample, {"block": "mlp_mixer", "channel_dim": 16}), sample, holdout, budget, SELECTION
    )
    assert [t["steps"] for t in first["trials"]] == [2, 2]
    same = nodes.finish_candidate(first, {"extend": False, "finish": []}, sample, holdout, budget, SELECTION)
    assert same is first
    longer = nodes.finish_candidate(first, {"extend": True, "finish": []}, sample, holdout, budget, SELECTION)
    assert [t["steps"] for t in longer["trials"]] == [40, 40]
    assert np.mean([t["score"] for t in longer["trials"]]) > np.mean([t["score"] for t in first["trials"]])
    _, board, _ = nodes.choose(SELECTION, holdout, {"extend": True, "dropped": {}}, c=longer)
    assert isinstance(board, pd.DataFrame)
    assert board["extended"].all()


def test_planted_signal_is_found() -> None:
    """The class is in the arrangement of two tokens only. A candidate whose mixing is dropped out cannot learn it."""
    rng = np.random.default_rng(3)

    def arranged(rows: int) -> MultimodalTable:
        labels = rng.integers(0, 2, rows)
        signs = rng.choice([-1.0, 1.0], size=(rows, 1))
        x = np.concatenate([signs, signs * np.where(labels[:, None] == 1, 1.0, -1.0)], axis=1)
        images = np.repeat(x[:, None, :], 4, axis=1).repeat(4, axis=2) + 0.1 * rng.normal(size=(rows, 4, 8))
        schema = TableSchema({"x": Modality("image", (4, 8), "float32")}, "multiclass", ("differ", "agree"))
        return MultimodalTable(schema, {"x": images.astype(np.float32)}, labels, [f"r{i}" for i in range(rows)])

    sample, holdout = arranged(300), arranged(300)
    budget = BudgetParameters(steps=120, extended_steps=120, seeds=(0, 1, 2), learning_rate=0.01, device="cpu")
    results = {}
    for name, block in {
        "mixes": {"block": "hyper_mixer", "channel_dim": 16, "token_dim": 8},
        "blind": {"block": "mlp_mixer", "channel_dim": 16, "token_dim": 8, "dropout": 0.98},
    }.items():
        candidate = {**proposal(sample, block), "candidate": name}
        results[name] = nodes.train_candidate(candidate, sample, holdout, budget, SELECTION)
    choice, board, _ = nodes.choose(SELECTION, holdout, {"extend": False, "dropped": {}}, **results)
    assert choice["candidate"] == "mixes", board.to_string()


def test_class_with_too_few_examples_is_named() -> None:
    data = table(90, classes=3)
    keep = np.flatnonzero((data.labels != 2) | (np.arange(90) < 3))
    with pytest.raises(ValueError, match="class '2' has 1 examples in the training split; expected at least 3"):
        nodes.sample_for_search(data.take(keep), SampleParameters(seed=0))


def test_samples_are_disjoint_stratified_and_of_the_formulas_size() -> None:
    data = table(2000)
    sample, holdout, report = nodes.sample_for_search(data, SampleParameters(seed=5))
    assert len(sample) == report["sample"]["rows"] == 323  # 384.16 / (1 + 384.16 / 2000) = 322.3
    assert not set(sample.ids) & set(holdout.ids)
    for part in (sample, holdout):
        assert np.abs(np.bincount(part.labels) / len(part) - 0.25).max() < 0.05
    again, _, _ = nodes.sample_for_search(data, SampleParameters(seed=5))
    assert list(again.ids) == list(sample.ids)


def test_space_and_table_must_name_the_same_modalities() -> None:
    from mixmas_pipeline.pipelines.search.parameters import MatchParameters

    with pytest.raises(ValueError, match=r"\['y'\].*the table has \['x'\]"):
        nodes.propose_encoders(table(40), {"y": {}}, MatchParameters())
