"""What a run is known to have done, and how long it takes yet, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from mixmas_pipeline.runners.board import Board, Job
from mixmas_pipeline.utils.progress import Begun, Part, Scored, Step, left_text

IMAGE, FUSION = "search.image", "search.fusion"


class Clock:
    """Says what it is told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def board(clock: Clock, trials: int = 6, more: dict[str, Job] | None = None) -> Board:
    jobs = {f"{IMAGE}.train_{i}": Job(IMAGE, f"train_{i}", "train") for i in range(trials)}
    return Board(jobs | (more or {}), clock)


def begin(board: Board, *numbers: int) -> None:
    for number in numbers:
        board.take(Begun(f"{IMAGE}.train_{number}"), f"{IMAGE}.train_{number}")


def step(done: int, total: int, left: float | None, at_most: bool = False) -> Step:
    return Step(f"step {done} of {total}", done, total, left, at_most, "")


def test_time_left_is_unknown_until_something_is_known() -> None:
    clock = Clock()
    known = board(clock)
    assert str(known.left()) == "time left unknown"
    begin(known, 0, 1)
    clock.now += 9
    assert str(known.left()) == "time left unknown"


def test_time_left_is_the_mean_of_finished_trials_times_those_left_over_how_many_run_at_once() -> None:
    clock = Clock()
    known = board(clock)
    begin(known, 0, 1)
    clock.now += 10
    known.end(f"{IMAGE}.train_0", well=True)
    begin(known, 2)
    clock.now += 10
    known.end(f"{IMAGE}.train_1", well=True)
    begin(known, 3)
    # The two took 10 and 20: 15. Of trial 2, which has run for 10, 5 are left, of trial 3 all 15, and two wait.
    assert known.left().seconds == pytest.approx((5 + 15 + 2 * 15) / 2)
    assert str(known.left()) == "about 25 s left"
    clock.now += 4
    assert known.left().seconds == pytest.approx((1 + 11 + 2 * 15) / 2)
    clock.now += 1000
    assert known.left().seconds == pytest.approx(2 * 15 / 2), "those under way are overdue, not ahead of time"


def test_reused_nodes_count_as_done_and_say_nothing_about_time() -> None:
    clock = Clock()
    known = board(clock)
    for number in range(4):
        known.reuse(f"{IMAGE}.train_{number}")
    assert (known.done, known.reused, known.count(IMAGE)) == (4, 4, (4, 6))
    assert str(known.left()) == "time left unknown"
    begin(known, 4)
    clock.now += 30
    known.end(f"{IMAGE}.train_4", well=True)
    assert known.left().seconds == pytest.approx(30)


def test_failed_and_lost_nodes_say_nothing_about_time() -> None:
    clock = Clock()
    known = board(clock, 2)
    begin(known, 0)
    clock.now += 3
    known.end(f"{IMAGE}.train_0", well=False)
    assert known.done == 0
    assert not known.rows
    assert str(known.left()) == "time left unknown"


def test_own_progress_counts_until_and_beside_the_mean() -> None:
    """The second of three seeds has had 12 seconds and needs 8 more; the third takes 20 too."""
    clock = Clock()
    known = board(clock, 1)
    begin(known, 0)
    node = f"{IMAGE}.train_0"
    known.take(Part("seed", 1, 3), node)
    clock.now += 30
    known.take(Part("seed", 2, 3), node)
    assert not known.left().whole, "nothing is known of this seed"
    clock.now += 12
    known.take(step(120, 200, 8.0), node)
    assert (known.left().seconds, known.left().whole) == (pytest.approx(8 + 20), True)
    clock.now += 3
    assert known.left().seconds == pytest.approx(5 + 20)


def test_what_is_not_known_makes_it_at_least_and_short_nodes_do_not() -> None:
    clock = Clock()
    fit = {"training.train_model": Job("training", "train_model", "train_model")}
    draw = {"reporting.draw": Job("reporting", "draw", "draw", short=True)}
    for more, expected in ((fit, "at least 10 s left"), (draw, "about 10 s left")):
        known = board(clock, 2, more)
        begin(known, 0)
        clock.now += 10
        known.end(f"{IMAGE}.train_0", well=True)
        assert str(known.left()) == expected


def test_a_training_that_may_stop_early_makes_it_at_most() -> None:
    """And no bound at all beside something that nothing is known of."""
    fit = {"training.train_model": Job("training", "train_model", "train_model")}
    later = {"training.evaluate": Job("training", "evaluate", "evaluate")}
    for jobs, expected in ((fit, "at most 40 s left"), (fit | later, "about 40 s left")):
        known = Board(jobs, Clock())
        known.take(Begun("training.train_model"), None)
        known.take(Part("training", 1, 1), None)
        known.take(step(20, 100, 40.0, at_most=True), None)
        assert str(known.left()) == expected
        assert known.line().startswith("[training] 0 of ")
        assert "done, train_model step 20 of 100; 0 of " in known.line(), "there is only one part"


def test_a_stage_has_times_of_its_own_as_soon_as_there_are_some() -> None:
    clock = Clock()
    fusion = {f"{FUSION}.train_{name}": Job(FUSION, f"train_{name}", "train") for name in "abc"}
    known = board(clock, 1, fusion)
    begin(known, 0)
    clock.now += 10
    known.end(f"{IMAGE}.train_0", well=True)
    assert known.left().seconds == pytest.approx(3 * 10)
    known.take(Begun(f"{FUSION}.train_a"), f"{FUSION}.train_a")
    clock.now += 60
    known.end(f"{FUSION}.train_a", well=True)
    assert known.left().seconds == pytest.approx(2 * 60)


def test_the_best_is_the_highest_mean_and_a_repeated_training_replaces_its_score() -> None:
    known = board(Clock())
    begin(known, 0, 1)
    assert known.best(IMAGE) == ""
    first, second = (f"{IMAGE}.train_{i}" for i in (0, 1))
    for score, key in ((0.5, "0"), (0.7, "1")):
        known.take(Scored("ramlp", key, "accuracy", score), first)
    known.take(Scored("mlp_mixer", "0", "accuracy", 0.65), second)
    assert known.best(IMAGE) == "best mlp_mixer, accuracy 0.650"
    known.take(Scored("ramlp", "0", "accuracy", 0.75), first)
    assert known.best(IMAGE) == "best ramlp, accuracy 0.725"


def test_where_results_are_reused_it_is_the_best_of_this_run() -> None:
    """Their scores are not known here; that a short node was reused says nothing about candidates."""
    known = board(Clock(), more={f"{IMAGE}.propose": Job(IMAGE, "propose", "propose", short=True)})
    known.reuse(f"{IMAGE}.propose")
    begin(known, 0)
    known.take(Scored("ramlp", "0", "accuracy", 0.5), f"{IMAGE}.train_0")
    assert known.best(IMAGE) == "best ramlp, accuracy 0.500"
    known.reuse(f"{IMAGE}.train_1")
    assert known.best(IMAGE) == "best of this run ramlp, accuracy 0.500"


def test_one_line_says_it_all() -> None:
    clock = Clock()
    known = board(clock)
    begin(known, 0)
    clock.now += 20
    known.take(Scored("ramlp", "0", "accuracy", 0.694), f"{IMAGE}.train_0")
    known.end(f"{IMAGE}.train_0", well=True)
    begin(known, 1, 2)
    known.take(Part("seed", 2, 3), f"{IMAGE}.train_1")
    clock.now += 4
    known.take(step(80, 200, 6.0), f"{IMAGE}.train_1")
    # Trial 1: 6 + one more seed of 4 + 6. Trial 2: 20 - 4. Three more of 20. Two at once.
    assert known.line() == (
        "[search] image: 1 of 6 done, train_1 seed 2 of 3, step 80 of 200, train_2 for 4.0 s; "
        "best ramlp, accuracy 0.694; 1 of 6 nodes in 24 s, about 46 s left"
    )


def test_many_nodes_at_once_are_counted_in_the_line() -> None:
    known = board(Clock(), 50)
    begin(known, *range(50))
    assert "train_3 for 0.0 s, 46 more; 0 of 50 nodes" in known.line()


def test_events_of_unknown_nodes_are_left_alone() -> None:
    known = board(Clock())
    known.take(Begun("another.run"), None)
    known.take(step(1, 2, None), "another.run")
    known.take(step(1, 2, None), None)
    assert known.line() == "0 of 6 nodes in 0.0 s, time left unknown"


def test_words_for_time_left() -> None:
    assert left_text(200) == "about 3 min 20 s left"
    assert left_text(4, at_most=True) == "at most 4.0 s left"
    assert left_text(-1, at_least=True) == "at least 0.0 s left"
