"""The session's choice of a runner."""

from __future__ import annotations

from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.runner import AbstractRunner, SequentialRunner, ThreadRunner

from mixmas_pipeline import session as sessions
from mixmas_pipeline.runners.ray import RayRunner
from mixmas_pipeline.runners.reusing import ReusingRunner
from mixmas_pipeline.session import ReusingSession


def check_remaining_parameters() -> None:
    """Stands in for the registry's check."""


@pytest.fixture
def runner_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives the runner that Kedro gets for one that the command line names."""
    monkeypatch.setattr(KedroSession, "run", lambda *_, **arguments: arguments["runner"])
    monkeypatch.setattr(sessions, "check_remaining_parameters", check_remaining_parameters)
    session = ReusingSession.__new__(ReusingSession)
    return lambda runner: session.run(runner=runner)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param(None, ReusingRunner, id="none"),
        pytest.param(SequentialRunner(), ReusingRunner, id="Kedro's default"),
        pytest.param(ThreadRunner(), ThreadRunner, id="another of Kedro's"),
        pytest.param(RayRunner(), RayRunner, id="ours"),
    ],
)
def test_the_reusing_runner_replaces_the_default(runner_of: Any, named: AbstractRunner, expected: type) -> None:
    assert type(runner_of(named)) is expected


def test_our_runners_check_the_blocks_before_the_first_node(runner_of: Any) -> None:
    assert runner_of(None).before_first_node is check_remaining_parameters
    assert runner_of(RayRunner()).before_first_node is check_remaining_parameters
    assert runner_of(ReusingRunner(before_first_node=print)).before_first_node is print, "a user's own stays"
