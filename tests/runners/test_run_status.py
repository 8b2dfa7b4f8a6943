"""Nodes done, the best candidates and the time left, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from mixmas_pipeline.runners.run_status import NodeInfo, RunStatus
from mixmas_pipeline.utils.progress import CandidateScored, NodeStarted, PartStarted, StepsDone

IMAGE, FUSION = "films.search.image", "films.search.fusion"
FIT = NodeInfo("films.training.train_model", "train_model")


class Clock:
    """Shows the time that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def status_of(clock: Clock, *more: NodeInfo, trials: int = 6) -> RunStatus:
    return RunStatus([*(NodeInfo(f"{IMAGE}.train_{i}", "train") for i in range(trials)), *more], clock)


def start(status: RunStatus, *numbers: int) -> None:
    for number in numbers:
        status.take(NodeStarted(f"{IMAGE}.train_{number}"), f"{IMAGE}.train_{number}")


def step(done: int, total: int, at_most: bool = False) -> StepsDone:
    return StepsDone(f"step {done} of {total}", done, total, at_most)


def test_time_left_is_unknown_until_a_node_has_ended() -> None:
    clock = Clock()
    status = status_of(clock)
    assert status.time_left() == "time left unknown"
    start(status, 0, 1)
    clock.now += 9
    assert status.time_left() == "time left unknown"


def test_time_left_is_the_mean_of_finished_nodes_times_the_rest_over_how_many_run_at_once() -> None:
    clock = Clock()
    status = status_of(clock)
    start(status, 0, 1)
    clock.now += 10
    status.end(f"{IMAGE}.train_0", succeeded=True)
    start(status, 2)
    clock.now += 10
    status.end(f"{IMAGE}.train_1", succeeded=True)
    start(status, 3)
    # The two took 10 and 20, so 15. Node 2 has run for 10, so 5 are left; node 3 needs 15; two wait: (5+15+30)/2.
    assert status.time_left() == "about 25 s left"
    clock.now += 4
    assert status.time_left() == "about 21 s left"  # (1 + 11 + 30) / 2
    clock.now += 1000
    assert status.time_left() == "about 15 s left", "active nodes are overdue, not ahead of time"


def test_reused_nodes_are_done_and_do_not_count_in_the_estimate() -> None:
    clock = Clock()
    status = status_of(clock)
    for number in range(4):
        status.reuse(f"{IMAGE}.train_{number}")
    assert (len(status.done), len(status.reused)) == (4, 4)
    assert status.time_left() == "time left unknown"
    start(status, 4)
    clock.now += 30
    status.end(f"{IMAGE}.train_4", succeeded=True)
    assert status.time_left() == "about 30 s left"


def test_failed_nodes_do_not_count_in_the_estimate() -> None:
    clock = Clock()
    status = status_of(clock, trials=2)
    start(status, 0)
    clock.now += 3
    status.end(f"{IMAGE}.train_0", succeeded=False)
    assert not status.done
    assert not status.active
    assert status.time_left() == "time left unknown"


def test_the_rate_of_an_active_node_covers_all_its_parts() -> None:
    """After one and a half of three seeds, in 45 seconds from the first step on, 45 are left."""
    clock = Clock()
    status = status_of(clock, trials=1)
    start(status, 0)
    node = f"{IMAGE}.train_0"
    clock.now += 100  # to load the data, before the first seed
    status.take(PartStarted("seed", 1, 3), node)
    status.take(step(0, 200), node)
    assert status.time_left() == "time left unknown"
    clock.now += 30
    status.take(PartStarted("seed", 2, 3), node)
    clock.now += 15
    status.take(step(100, 200), node)
    assert status.time_left() == "about 45 s left"
    clock.now += 3
    assert status.time_left() == "about 42 s left"


def test_a_resumed_training_counts_only_its_own_steps() -> None:
    clock = Clock()
    status = status_of(clock, FIT, trials=0)
    status.take(NodeStarted(FIT.name), None)
    status.take(PartStarted("training", 1, 1), None)
    status.take(step(800, 1000), None)
    clock.now += 10
    status.take(step(850, 1000), None)
    assert status.time_left() == "about 30 s left"


def test_the_rate_starts_again_with_the_next_piece_of_work() -> None:
    """A node that reports no parts has pieces of unknown number: its row shows the time left of the current piece."""
    clock = Clock()
    status = status_of(clock, FIT, trials=0)
    status.take(NodeStarted(FIT.name), None)
    for total, left in ((10, "9.0 s left"), (100, "1 min 39 s left")):
        status.take(step(0, total), None)
        clock.now += 1
        status.take(step(1, total), None)
        assert status.active[FIT.name].cells(clock.now)[2] == left
        assert status.time_left() == "time left unknown"


@pytest.mark.parametrize(
    ("more", "left"),
    [
        pytest.param(FIT, "at least 10 s left", id="a long node"),
        pytest.param(NodeInfo("films.reporting.draw", "draw", short=True), "about 10 s left", id="a short node"),
    ],
)
def test_unknown_long_nodes_make_it_at_least(more: NodeInfo, left: str) -> None:
    clock = Clock()
    status = status_of(clock, more, trials=2)
    start(status, 0)
    clock.now += 10
    status.end(f"{IMAGE}.train_0", succeeded=True)
    assert status.time_left() == left


@pytest.mark.parametrize(
    ("more", "left"),
    [
        pytest.param([], "at most 40 s left", id="alone"),
        pytest.param([NodeInfo("films.training.evaluate", "evaluate")], "about 40 s left", id="beside an unknown node"),
    ],
)
def test_a_training_that_may_stop_early_makes_it_at_most(more: list[NodeInfo], left: str) -> None:
    clock = Clock()
    status = status_of(clock, FIT, *more, trials=0)
    status.take(NodeStarted(FIT.name), None)
    status.take(PartStarted("training", 1, 1), None)
    status.take(step(0, 100, at_most=True), None)
    clock.now += 10
    status.take(step(20, 100, at_most=True), None)
    assert status.time_left() == left
    assert "training.train_model step 20 of 100, up to 40 s" in status.line(), "a single part is not named"


def test_times_of_the_same_stage_count_before_those_of_others() -> None:
    clock = Clock()
    fusion = [NodeInfo(f"{FUSION}.train_{name}", "train") for name in "abc"]
    status = status_of(clock, *fusion, trials=1)
    start(status, 0)
    clock.now += 10
    status.end(f"{IMAGE}.train_0", succeeded=True)
    assert status.time_left() == "about 30 s left"
    status.take(NodeStarted(f"{FUSION}.train_a"), f"{FUSION}.train_a")
    clock.now += 60
    status.end(f"{FUSION}.train_a", succeeded=True)
    assert status.time_left() == "about 2 min 0 s left"


def test_the_best_has_the_highest_mean_and_a_repeated_training_replaces_its_score() -> None:
    status = status_of(Clock())
    start(status, 0, 1)
    assert status.best() == {}
    first, second = (f"{IMAGE}.train_{i}" for i in (0, 1))
    for score, key in ((0.5, "0"), (0.7, "1")):
        status.take(CandidateScored("ramlp", key, "accuracy", score), first)
    status.take(CandidateScored("mlp_mixer", "0", "accuracy", 0.65), second)
    assert status.best() == {IMAGE: f"best so far in {IMAGE}: mlp_mixer, accuracy 0.650"}
    status.take(CandidateScored("ramlp", "0", "accuracy", 0.75), first)
    assert status.best() == {IMAGE: f"best so far in {IMAGE}: ramlp, accuracy 0.725"}


def test_beside_reused_results_it_is_the_best_of_this_run() -> None:
    """Reused scores are unknown. A reused short node holds no candidate's score."""
    propose = NodeInfo(f"{IMAGE}.propose", "propose", short=True)
    status = status_of(Clock(), propose)
    status.reuse(propose.name)
    start(status, 0)
    status.take(CandidateScored("ramlp", "0", "accuracy", 0.5), f"{IMAGE}.train_0")
    assert status.best() == {IMAGE: f"best so far in {IMAGE}: ramlp, accuracy 0.500"}
    status.reuse(f"{IMAGE}.train_1")
    assert status.best() == {IMAGE: f"best of this run in {IMAGE}: ramlp, accuracy 0.500"}


def test_one_line_shows_it_all() -> None:
    clock = Clock()
    status = status_of(clock)
    start(status, 0)
    clock.now += 20
    status.take(CandidateScored("ramlp", "0", "accuracy", 0.694), f"{IMAGE}.train_0")
    status.end(f"{IMAGE}.train_0", succeeded=True)
    start(status, 1, 2)
    status.take(PartStarted("seed", 1, 2), f"{IMAGE}.train_1")
    status.take(step(0, 200), f"{IMAGE}.train_1")
    clock.now += 4
    status.take(step(80, 200), f"{IMAGE}.train_1")
    # Node 1: a fifth took 4, so 16 are left. Node 2: 20 - 4. Three more of 20. Two at once: (16 + 16 + 60) / 2.
    assert status.line() == (
        "1 of 6 nodes in 24 s, about 46 s left; image.train_1 seed 1 of 2, step 80 of 200, 16 s left; "
        f"image.train_2 for 4.0 s; best so far in {IMAGE}: ramlp, accuracy 0.694"
    )


def test_the_line_counts_nodes_beyond_the_first_four() -> None:
    status = status_of(Clock(), trials=50)
    start(status, *range(50))
    assert status.line().endswith("image.train_3 for 0.0 s; 46 more")


def test_events_of_unknown_nodes_are_ignored() -> None:
    status = status_of(Clock())
    status.take(NodeStarted("another.run"), None)
    status.take(step(1, 2), "another.run")
    status.take(step(1, 2), None)
    assert status.line() == "0 of 6 nodes in 0.0 s, time left unknown"


def test_short_nodes_alone_take_a_few_seconds() -> None:
    assert RunStatus([NodeInfo("films.reporting.draw", "draw", short=True)]).time_left() == "a few seconds left"
