"""Nodes beside each other on this machine: shares, threads, losses, errors, and how a run ends."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import probes
import pytest
from child_processes import children, command
from graphs import pipelines
from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.runners import local as machine
from mixmas_pipeline.runners import resources as compute
from mixmas_pipeline.runners.resources import ComputeParameters

NAMES = {name: name for name in ("a", "b", "c", "d")}


def worker_processes() -> set[int]:
    """Worker processes of this process that are alive."""
    return {pid for pid in children(os.getpid()) if b"mixmas_pipeline.runners.worker" in command(pid)}


def runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    return bool(command(pid))


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    yield
    assert not worker_processes()


# --- shares -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("cores", "elsewhere"), [(1, False), (2, False), (5, True)])
def test_threads_are_those_of_the_share_wherever_a_node_runs(tmp_path: Path, cores: int, elsewhere: bool) -> None:
    graph, values = probes.pipeline(probes.look, NAMES)
    seen = probes.run(tmp_path, graph, values, cores=cores, shares={"trial": {"cpus": 2}})
    assert {name: (found["name"], found["torch"]) for name, found in seen.items()} == {n: (n, 2) for n in NAMES}
    assert all(found["blas"] and set(found["blas"]) == {2} for found in seen.values())
    processes = {found["process"] for found in seen.values()}
    assert len(processes) == (2 if elsewhere else 1)
    assert (os.getpid() in processes) is not elsewhere


def test_all_means_what_the_process_may_use_whatever_cores_says(tmp_path: Path) -> None:
    graph, values = probes.pipeline(probes.look, {"a": "a"}, "training")
    expected = len(os.sched_getaffinity(0))
    for cores in (1, expected):
        (seen,) = probes.run(tmp_path / str(cores), graph, values, cores=cores).values()
        assert seen["torch"] == min(expected, compute.cores_here())


def test_nodes_take_no_more_cores_than_there_are_and_no_less(tmp_path: Path) -> None:
    """Five small nodes and one of two cores, on three: never more than three cores, and three at some time."""
    small, values = probes.pipeline(probes.stay, dict.fromkeys("abcde", 1.0))
    large, more = probes.pipeline(probes.stay, {"two": 1.0}, "training")
    shares = {"trial": {"cpus": 1}, "training": {"cpus": 2}}
    seen = probes.run(tmp_path, small + large, values | more, cores=3, shares=shares)
    assert len({interval["process"] for interval in seen.values()} - {os.getpid()}) == 3

    def cores_at(moment: float) -> int:
        return sum(2 if name == "two" else 1 for name, i in seen.items() if i["start"] <= moment < i["end"])

    assert max(cores_at(interval["start"]) for interval in seen.values()) == 3


def test_no_stage_waits_for_another(tmp_path: Path) -> None:
    """What follows a short node begins while a long one beside it still runs."""
    graph = Pipeline(
        [
            Node(probes.stay, "params:short", "first", name="first", tags="trial"),
            Node(probes.stay, "params:long", "long", name="long", tags="trial"),
            Node(probes.same, "first", "between", name="between"),
            Node(lambda_free_stay, ["between", "params:short"], "second", name="second", tags="trial"),
        ]
    )
    seen = probes.run(tmp_path, graph, {"params:short": 0.1, "params:long": 5.0}, cores=2)
    assert seen["second"]["end"] < seen["long"]["end"]


def lambda_free_stay(_: Any, seconds: float) -> dict[str, Any]:
    return probes.stay(seconds)


def test_a_single_node_and_short_ones_start_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    tagged, values = probes.pipeline(probes.look, {"a": "a"})
    short, more = probes.pipeline(probes.look, {"b": "b", "c": "c"}, "")
    seen = probes.run(tmp_path, tagged + short, values | more, cores=4)
    assert {found["process"] for found in seen.values()} == {os.getpid()}


def test_gpus_are_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is said to have two: halves of them to four nodes at once, and only those are seen."""
    monkeypatch.setattr(machine, "gpus_here", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    graph, values = probes.pipeline(probes.look_for_gpus, {**NAMES, "e": "e"})
    halves = probes.run(tmp_path / "halves", graph, values, cores=5, shares={"trial": {"cpus": 1, "gpus": 0.5}})
    assert {found["gpus"] for found in halves.values()} == {"3", "5"}
    assert len({found["process"] for found in halves.values()}) <= 4
    none = probes.run(tmp_path / "none", graph, values, cores=1, shares={"trial": {"cpus": 1, "gpus": 0}})
    assert {found["gpus"] for found in none.values()} == {""}
    with pytest.raises(ValueError, match=r"compute.shares.trial.gpus is 3.0; this machine has 2"):
        probes.run(tmp_path / "three", graph, values, cores=5, shares={"trial": {"cpus": 1, "gpus": 3}})


# --- the same results ------------------------------------------------------------------------------------------------
def test_results_are_the_same_bits_whatever_cores_is_and_are_reused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph, values = probes.pipeline(probes.compute, {"a": 1, "b": 2, "c": 3})
    shares = {"trial": {"cpus": 2}}
    results = [probes.run(tmp_path / str(c), graph, values, cores=c, shares=shares) for c in (1, 4)]
    assert results[0] == results[1]
    caplog.set_level(logging.INFO)
    caplog.clear()
    assert probes.run(tmp_path / "4", graph, values, cores=1, shares=shares) == results[0]
    assert "Running" not in caplog.text
    assert "Reused: run_a, run_b, run_c" in caplog.text
    probes.run(tmp_path / "4", graph, values, cores=1, shares={"trial": {"cpus": 1}})
    assert "Running run_a (1 of 3): the node's cpus changed" in caplog.text


def test_logs_of_workers_come_with_their_nodes_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    graph, values = probes.pipeline(probes.look, {"a": "this", "b": "that"})
    caplog.set_level(logging.INFO, "mixmas_pipeline")
    probes.run(tmp_path, graph, values, cores=2)
    said = [record.getMessage() for record in caplog.records if record.name == "mixmas_pipeline.probes"]
    assert sorted(said) == ["run_a: looking for this", "run_b: looking for that"]


# --- losses and errors -----------------------------------------------------------------------------------------------
def test_a_killed_worker_costs_its_node_an_attempt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also where the kill comes between two saves: a version is written once only, so the first must go."""
    nodes = [
        Node(probes.die_once, "params:marker", "one", name="one", tags="trial"),
        Node(probes.both, "params:other", ["two", "three"], name="two", tags="trial"),
        Node(probes.look, "params:marker", "four", name="four", tags="trial"),
    ]
    values = {"params:marker": str(tmp_path / "marker"), "params:other": str(tmp_path / "other")}
    seen = probes.run(tmp_path, Pipeline(nodes), values, outputs={"three": probes.KillsAtFirstSave}, cores=3)
    assert (seen["one"], seen["two"], seen["three"]) == ("alive", "first", values["params:other"])
    assert len(list((tmp_path / "two").iterdir())) == 1
    for name in ("one", "two"):
        assert f"{name}: its process was killed by SIGKILL" in caplog.text
    assert caplog.text.count("it is run again (1 of 2)") == 2


def test_a_node_that_always_kills_its_worker_is_given_up(tmp_path: Path) -> None:
    graph, values = probes.pipeline(probes.die, {"a": str(tmp_path / "attempts")})
    beside, more = probes.pipeline(probes.stay, {"b": 1.0})
    with pytest.raises(RuntimeError, match=r"run_a has lost its worker 3 times: its process was killed .*cores"):
        probes.run(tmp_path, graph + beside, values | more, cores=2)
    assert (tmp_path / "attempts").read_text() == "xxx"


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize(("kind", "error"), [("plain", "LookupError"), ("unusual", "1 is not 2")])
def test_an_error_is_the_same_and_what_runs_beside_it_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cores: int, kind: str, error: str
) -> None:
    failing, values = probes.pipeline(probes.fail, {"a": kind})
    beside, more = probes.pipeline(probes.stay, {"b": 2.0})
    after = Pipeline([Node(probes.same, "b", "c", name="after")])
    with pytest.raises(Exception, match=r"no such thing|1 is not 2") as raised:
        probes.run(tmp_path, failing + beside + after, values | more, cores=cores)
    assert error in repr(raised.value)
    if cores == 2:
        assert "in fail" in str(raised.value.__cause__), "the cause shows where"
        assert "Waiting for what is running: run_b" in caplog.text
        assert (tmp_path / "b").exists()
    assert "run_a failed" in caplog.text
    assert not (tmp_path / "c").exists()
    caplog.clear()
    caplog.set_level(logging.INFO)
    if cores == 2:
        assert probes.run(tmp_path, beside, more)
        assert "Reused: run_b" in caplog.text, "it was recorded"


def test_what_lives_in_memory_only_is_refused_before_anything_runs(tmp_path: Path) -> None:
    graph = Pipeline(
        [
            Node(probes.same, "params:a", "made", name="make", tags="trial"),
            Node(probes.same, "made", "used", name="use", tags="trial"),
        ]
    )
    with pytest.raises(ValueError, match=r"^made: would live in memory only.* or run with compute.cores=1"):
        probes.run(tmp_path, graph, {"params:a": 1}, outputs={"made": probes.in_memory}, cores=2)
    assert not (tmp_path / "used").exists()
    probes.run(tmp_path / "alone", graph, {"params:a": 1}, outputs={"made": probes.in_memory}, cores=1)


def test_what_cannot_be_sent_is_named(tmp_path: Path) -> None:
    nodes = [Node(lambda x: x, "params:a", name, name=name, tags="trial") for name in ("one", "two")]
    with pytest.raises(ValueError, match=r"(one|two) cannot be sent to another process .*top level"):
        probes.run(tmp_path, Pipeline(nodes), {"params:a": 1}, cores=2)


# --- the end of a run ----------------------------------------------------------------------------------------------
SCRIPT = """
import signal, sys, pathlib, probes
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started with it ignored
folder = pathlib.Path(sys.argv[1])
graph, values = probes.pipeline(probes.write_on, {"a": str(folder), "b": str(folder)})
probes.run(folder / "outputs", graph, values, cores=2)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_run(tmp_path: Path, how: signal.Signals) -> None:
    """A kill of the run alone; Ctrl-C, which every process of the terminal gets."""
    paths = os.pathsep.join([str(Path(probes.__file__).parent), *sys.path])
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while len(files := list(tmp_path.glob("*.pid"))) < 2:
            assert time.monotonic() < deadline
            assert run.poll() is None, run.stdout and run.stdout.read()
            time.sleep(0.1)
        workers = [int(file.stem) for file in files]
        assert run.pid not in workers
        os.kill(run.pid, how) if how == signal.SIGKILL else os.killpg(run.pid, how)
        said, _ = run.communicate(timeout=60)
        deadline = time.monotonic() + (2 if how == signal.SIGKILL else 20)
        while any(map(runs, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(runs, workers))
        sizes = [file.stat().st_size for file in files]
        time.sleep(0.3)
        assert [file.stat().st_size for file in files] == sizes, "nothing is written any more"
        if how == signal.SIGINT:
            assert "KeyboardInterrupt" in said
            assert "run again" not in said
    finally:
        with_children = [run.pid, *(int(file.stem) for file in tmp_path.glob("*.pid"))]
        for pid in filter(runs, with_children):
            os.kill(pid, signal.SIGKILL)


# --- parameters ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"core": 2}, r"compute.core: Extra inputs are not permitted \(found: 2\); did you mean cores\?"),
        ({"cores": 0}, r"compute.cores.*found: 0"),
        ({"cores": "many"}, r"compute.cores.*'many'"),
        ({"shares": {"trail": {"cpus": 1}}}, r"compute.shares.trail: Extra inputs"),
        ({"shares": {"trial": {"cpus": "most"}}}, r"compute.shares.trial.cpus.*'most'"),
        ({"shares": {"trial": {"cpus": 1, "gpus": 1.5}}}, r"gpus is 1.5; expected a share below 1 or a whole number"),
    ],
)
def test_mistakes_are_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipelines("base", compute=section)


def test_a_node_has_one_share() -> None:
    node = Node(probes.same, "params:a", "b", name="n", tags=["trial", "training"])
    with pytest.raises(ValueError, match="n has the tags training, trial; expected one of them"):
        ComputeParameters().share(node)


def test_heavy_nodes_of_the_project_have_a_tag() -> None:
    """By what they do, not by their names: nodes whose function trains, scores whole splits, or measures times."""
    trains = {"train_candidate", "finish_candidate", "search_within_budget"}
    fully = {"train_model", "tune", "train_seeds", "train_combination", "estimate_cost"}
    scores = {"evaluate_model", "evaluate_contenders", "predict_new_rows", "convert", "assemble"}
    found: dict[str, set[str]] = {}
    for graph in pipelines("base").values():
        for node in graph.nodes:
            found.setdefault(ComputeParameters().tag(node) or "", set()).add(node.func.__name__)
    assert found["trial"] == trains
    assert found["training"] == fully | scores
    assert {"decide", "choose"} <= found[""]


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, 1e6),
        ({"cpu.max": "250000 100000"}, 2.5),
        ({"own/cpu.max": "max 100000", "cpu.max": "150000 100000"}, 1.5),
        ({"own/group/cpu.max": "50000 100000", "own/cpu.max": "300000 100000"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1e6),
        ({}, 1e6),
    ],
)
def test_limits_of_control_groups_are_read(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    own = tmp_path / "self"
    own.write_text("1:name=systemd:/x\n0::/own/group\n")
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    assert compute._quota(own, tmp_path / "root") == cores
