"""Nodes side by side on this machine: threads, cores and GPUs."""

from __future__ import annotations

import os
from pathlib import Path

import probes
import pytest
from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.runners import local_executor
from mixmas_pipeline.runners.local_executor import GpuPool
from mixmas_pipeline.utils import resources

NAMES = {name: name for name in ("a", "b", "c", "d")}


@pytest.mark.parametrize(
    ("cores", "in_workers"),
    [
        pytest.param(1, False, id="one core"),
        pytest.param(2, False, id="a node takes all cores"),
        pytest.param(5, True, id="two nodes at once"),
    ],
)
def test_threads_are_those_of_the_share_in_each_process(tmp_path: Path, cores: int, in_workers: bool) -> None:
    graph, values = probes.pipeline(probes.look, NAMES)
    seen = probes.run(tmp_path, graph, values, cores=cores, shares={"trial": {"cpus": 2}})
    assert {name: (node["name"], node["torch"]) for name, node in seen.items()} == {n: (n, 2) for n in NAMES}
    assert all(node["blas"] and set(node["blas"]) == {2} for node in seen.values())
    processes = {node["process"] for node in seen.values()}
    assert len(processes) == (2 if in_workers else 1)
    assert (os.getpid() in processes) is not in_workers


def test_all_cpus_are_those_of_the_process_whatever_cores_is(tmp_path: Path) -> None:
    graph, values = probes.pipeline(probes.look, {"a": "a"}, "training")
    expected = len(os.sched_getaffinity(0))
    for cores in (1, expected):
        (seen,) = probes.run(tmp_path / str(cores), graph, values, cores=cores).values()
        assert seen["torch"] == min(expected, resources.cores_here())


def test_nodes_use_all_cores_and_no_more(tmp_path: Path) -> None:
    """Five nodes of one core and one of two, on three cores: at most three cores are busy, and three at some time."""
    small, values = probes.pipeline(probes.stay, dict.fromkeys("abcde", 1.0))
    large, more = probes.pipeline(probes.stay, {"two": 1.0}, "training")
    shares = {"trial": {"cpus": 1}, "training": {"cpus": 2}}
    seen = probes.run(tmp_path, small + large, values | more, cores=3, shares=shares)
    assert len({interval["process"] for interval in seen.values()} - {os.getpid()}) == 3

    def cores_at(moment: float) -> int:
        return sum(2 if name == "two" else 1 for name, i in seen.items() if i["start"] <= moment < i["end"])

    assert max(cores_at(interval["start"]) for interval in seen.values()) == 3


def test_a_node_starts_as_soon_as_its_inputs_exist(tmp_path: Path) -> None:
    """The node after a short one starts while a long node still runs."""
    graph = Pipeline(
        [
            Node(probes.stay, "params:short", "first", name="first", tags="trial"),
            Node(probes.stay, "params:long", "long", name="long", tags="trial"),
            Node(probes.same, "first", "between", name="between"),
            Node(probes.stay_after, ["between", "params:short"], "second", name="second", tags="trial"),
        ]
    )
    seen = probes.run(tmp_path, graph, {"params:short": 0.1, "params:long": 5.0}, cores=2)
    assert seen["second"]["end"] < seen["long"]["end"]


def test_a_single_node_and_short_nodes_start_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_executor, "Worker", lambda *_: pytest.fail("a worker was started"))
    tagged, values = probes.pipeline(probes.look, {"a": "a"})
    short, more = probes.pipeline(probes.look, {"b": "b", "c": "c"}, "")
    seen = probes.run(tmp_path, tagged + short, values | more, cores=4)
    assert {node["process"] for node in seen.values()} == {os.getpid()}


# --- GPUs ------------------------------------------------------------------------------------------------------------
def test_nodes_share_gpus_and_see_only_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs are pretended: four nodes get a half each, and a node without a GPU sees none."""
    monkeypatch.setattr(local_executor, "gpus_here", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    graph, values = probes.pipeline(probes.look_for_gpus, {**NAMES, "e": "e"})
    halves = probes.run(tmp_path / "halves", graph, values, cores=5, shares={"trial": {"cpus": 1, "gpus": 0.5}})
    assert {node["gpus"] for node in halves.values()} == {"3", "5"}
    assert len({node["process"] for node in halves.values()}) <= 4
    none = probes.run(tmp_path / "none", graph, values, cores=1, shares={"trial": {"cpus": 1, "gpus": 0}})
    assert {node["gpus"] for node in none.values()} == {""}
    with pytest.raises(ValueError, match=r"compute.shares.trial.gpus is 3.0; this machine has 2"):
        probes.run(tmp_path / "three", graph, values, cores=5, shares={"trial": {"cpus": 1, "gpus": 3}})


def test_the_fullest_gpu_is_taken_first_so_that_whole_ones_stay_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_executor, "gpus_here", lambda: 2)
    pool = GpuPool()
    quarter = pool.reserve(0.25, "key")
    assert (quarter, pool.reserve(0.5, "key")) == ({0: 0.25}, {0: 0.5})
    assert pool.reserve("auto", "key") == {1: 1.0}
    assert pool.reserve(0.5, "key") is None, "a quarter of one GPU is free, nothing of the other"
    pool.release({0: 0.25})
    assert pool.reserve(0.5, "key") == {0: 0.5}
    assert pool.reserve(0, "key") == {}


def test_without_gpus_auto_asks_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_executor, "gpus_here", lambda: 0)
    pool = GpuPool()
    assert (pool.reserve("auto", "key"), pool.visible_devices({})) == ({}, None)
